// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.Operator;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.shard.Precision;

/**
 * What a loss is multiplied by before its backward, so that small gradients survive in fp16 (Micikevicius et al. 2018,
 * arXiv 1710.03740). It follows the gradients as torch's GradScaler does: halved by every step that overflowed, doubled
 * after 2,000 in a row that did not. Nothing of that waits for the host.
 */
public final class LossScale implements AutoCloseable {
    static final double FIRST = 65_536;
    static final double GROWTH = 2;
    static final double BACKOFF = 0.5;
    static final long GROWTH_INTERVAL = 2_000;

    /** An overflow at this scale is no matter of the scale any more. */
    static final double MINIMUM = 1;

    private final Operator follow = Operator.named("aten::_amp_update_scale_");
    private final HeldTensors owner = new HeldTensors();
    private final boolean dynamic;
    private final Tensor scale; // [1] fp32
    private final Tensor goodSteps; // [1] int32, in a row

    private LossScale(boolean dynamic, Device device) {
        this.dynamic = dynamic;
        try (TensorScope scope = new TensorScope()) {
            this.scale = owner.hold(device.zeros(ScalarType.Float, 1).fill_(Scalars.of(dynamic ? FIRST : 1)));
            this.goodSteps = owner.hold(device.zeros(ScalarType.Int, 1));
        }
    }

    /** The scale that a precision needs, on the shard's device: one that follows the gradients for fp16, else 1 for ever. */
    public static LossScale of(Precision precision, Device device) {
        return new LossScale(precision == Precision.FP16, device);
    }

    /** A scale of 1, for formats that need none. */
    public static LossScale none() {
        return new LossScale(false, Device.CPU);
    }

    /** [1] fp32. Upstream gradients are multiplied by it, and the optimizer's divisor too. */
    public Tensor scale() {
        return scale;
    }

    /** Whether it follows the gradients; else it is 1 for ever, and need not be multiplied by. */
    public boolean isDynamic() {
        return dynamic;
    }

    /**
     * Follows one step; called after the optimizer's.
     *
     * @param notFinite [1] fp32: 1 where the step's gradients were not finite, 0 elsewhere
     * @param empty [1] bool: whether the step had nothing to train on, and so says nothing of the scale
     */
    public void update(Tensor notFinite, Tensor empty) {
        if (!dynamic) {
            return;
        }
        try (TensorScope scope = new TensorScope()) {
            goodSteps.sub_(empty.to(ScalarType.Int)); // which are about to count it
            follow.call(scale, goodSteps, notFinite, GROWTH, BACKOFF, GROWTH_INTERVAL);
            scale.clamp_min_(Scalars.of(MINIMUM));
        }
    }

    /** Whether a step that was not finite at this scale may be the scale's doing, so that a smaller one may mend it. */
    public static boolean canShrink(double scale) {
        return scale > MINIMUM;
    }

    /** What a checkpoint keeps, by name; nothing where the scale is fixed. */
    public Map<String, Tensor> state() {
        return dynamic ? Map.of("loss-scale.scale", scale, "loss-scale.good-steps", goodSteps) : Map.of();
    }

    @Override
    public void close() {
        owner.close();
    }
}
