// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

import java.util.Collections;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;

/**
 * Adam by libtorch's own fused operator, which takes fp32 only: other runs go through copies, a slice at a time, and are
 * rounded once. Leaves values alone, and gradients in fp32 divided.
 */
public final class AdamTwin {
    private static final boolean AMSGRAD = false;
    private static final boolean MAXIMIZE = false;
    static final long SLICE_ELEMENTS = 1 << 22; // whose copies take 64 MiB

    private final AdamRule rule;
    private final Operator fused;

    public AdamTwin(AdamRule rule) {
        this.rule = rule;
        this.fused = Operator.named(rule.decaysGradient() ? "aten::_fused_adam_" : "aten::_fused_adamw_");
    }

    /** As {@link AdamKernel#step}, over runs that lie anywhere; inside an open scope. */
    public void step(List<AdamRun> runs, double rate, Tensor steps, Tensor divisor, Tensor notFinite) {
        if (runs.stream().allMatch(AdamTwin::isFp32)) {
            call(runs, rate, steps, divisor, notFinite);
            return;
        }
        for (AdamRun run : runs) {
            for (long from = 0; from < run.weights().numel(); from += SLICE_ELEMENTS) {
                long elements = Math.min(SLICE_ELEMENTS, run.weights().numel() - from);
                widened(run, from, elements, rate, steps, divisor, notFinite);
            }
        }
    }

    private void widened(
            AdamRun run, long from, long elements, double rate, Tensor steps, Tensor divisor, Tensor notFinite) {
        try (TensorScope scope = new TensorScope()) {
            Tensor weights = run.weights().narrow(0, from, elements);
            Tensor first = run.firstMoments().narrow(0, from, elements);
            Tensor second = run.secondMoments().narrow(0, from, elements);
            AdamRun wide = new AdamRun(
                    weights.to(ScalarType.Float),
                    run.gradients().narrow(0, from, elements).to(ScalarType.Float),
                    first.to(ScalarType.Float),
                    second.to(ScalarType.Float),
                    null);
            call(List.of(wide), rate, steps, divisor, notFinite);
            weights.copy_(wide.weights());
            first.copy_(wide.firstMoments());
            second.copy_(wide.secondMoments());
        }
    }

    private void call(List<AdamRun> runs, double rate, Tensor steps, Tensor divisor, Tensor notFinite) {
        fused.call(
                runs.stream().map(AdamRun::weights).toList(),
                runs.stream().map(AdamRun::gradients).toList(),
                runs.stream().map(AdamRun::firstMoments).toList(),
                runs.stream().map(AdamRun::secondMoments).toList(),
                List.of(),
                Collections.nCopies(runs.size(), steps),
                rate,
                rule.beta1(),
                rule.beta2(),
                rule.decay(),
                rule.epsilon(),
                AMSGRAD,
                MAXIMIZE,
                divisor,
                notFinite);
    }

    private static boolean isFp32(AdamRun run) {
        return run.weights().scalar_type().intern() == ScalarType.Float
                && run.gradients().scalar_type().intern() == ScalarType.Float;
    }
}
