// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;

/**
 * Cross entropy in nats over the last dimension of the prediction, by the formula of {@link CrossEntropySettings}.
 *
 * <p>M rows, V classes. A row whose target is the ignored one does not count, nor does one whose mask is 0; others count
 * as much as their mask. What does not count may even be NaN. bf16 and fp16 predictions are computed with in fp32.
 */
public final class CrossEntropyLoss implements LossCalculator {
    private static final long IGNORED = -100;
    private static final String LABEL_SMOOTHING = "label-smoothing";
    private static final String Z_LOSS = "z-loss";
    private static final String IGNORE_INDEX = "ignore-index";

    private final LossKeys keys;
    private final CrossEntropySettings settings;
    private final long ignoreIndex;

    /** Of {@code logits} [B, T, V] and {@code ctx.target} [B, T], where the target is not −100. */
    public CrossEntropyLoss() {
        this(LossKeys.of(NamedTensors.LOGITS, Context.TARGET), CrossEntropySettings.PLAIN, IGNORED);
    }

    /** Keys {@code prediction}, {@code target}, {@code mask}, {@code label-smoothing}, {@code z-loss}, {@code ignore-index}. */
    public CrossEntropyLoss(Config config) {
        this(
                LossKeys.read(config, NamedTensors.LOGITS, LABEL_SMOOTHING, Z_LOSS, IGNORE_INDEX),
                new CrossEntropySettings(
                        config.hasPath(LABEL_SMOOTHING) ? config.getDouble(LABEL_SMOOTHING) : 0,
                        config.hasPath(Z_LOSS) ? config.getDouble(Z_LOSS) : 0),
                config.hasPath(IGNORE_INDEX) ? config.getLong(IGNORE_INDEX) : IGNORED);
    }

    private CrossEntropyLoss(LossKeys keys, CrossEntropySettings settings, long ignoreIndex) {
        this.keys = keys;
        this.settings = settings;
        this.ignoreIndex = ignoreIndex;
    }

    /** The same, weighed by a mask in the context. */
    public CrossEntropyLoss masked(String key) {
        return new CrossEntropyLoss(keys.masked(key), settings, ignoreIndex);
    }

    /** The same, of another tensor and another target. */
    public CrossEntropyLoss of(String prediction, String target) {
        return new CrossEntropyLoss(
                new LossKeys(prediction, target, keys.mask(), keys.contract()), settings, ignoreIndex);
    }

    /** The same, with a contract, which depends on the ranks in the pipeline. */
    public CrossEntropyLoss declaring(String contract) {
        return new CrossEntropyLoss(keys.declaring(contract), settings, ignoreIndex);
    }

    @Override
    public String contract() {
        return keys.contract();
    }

    /** The same, with smoothed labels or a z-loss. */
    public CrossEntropyLoss with(CrossEntropySettings other) {
        return new CrossEntropyLoss(keys, other, ignoreIndex);
    }

    @Override
    public LossOutput compute(NamedTensors outputs, Context context) {
        Tensor prediction = keys.prediction(outputs);
        Tensor target = keys.target(context);
        Optional<Tensor> mask = keys.mask(context);
        requireRows(prediction, target, keys.target());
        mask.ifPresent(m -> requireRows(prediction, m, keys.mask().orElseThrow()));
        Tensor logits = upcast(prediction.reshape(-1, prediction.size(-1))); // [M, V]
        Tensor targets = target.reshape(-1); // [M]
        Tensor ignored = targets.eq(Scalars.of((double) ignoreIndex));
        Tensor weights = ignored.logical_not().to(logits.scalar_type()); // [M]
        if (mask.isPresent()) {
            weights = weights.mul(mask.get().reshape(-1).to(logits.scalar_type()));
        }
        Tensor nothing = weights.eq(Scalars.of(0));
        Tensor costs = costs(logits, targets.masked_fill(ignored, Scalars.of(0)));
        Tensor sum = costs.masked_fill(nothing, Scalars.of(0)).mul(weights).sum();
        return LossOutput.of(name(), sum, weights.sum().item_double());
    }

    /** [M] */
    private Tensor costs(Tensor logits, Tensor targets) {
        Tensor logProbabilities = torch.log_softmax(logits, -1); // [M, V]
        Tensor costs =
                logProbabilities.gather(-1, targets.unsqueeze(-1)).squeeze(-1).neg();
        if (settings.labelSmoothing() > 0) {
            Tensor smooth =
                    logProbabilities.sum(-1L).mul(Scalars.of(-settings.labelSmoothing() / (double) logits.size(-1)));
            costs = costs.mul(Scalars.of(1 - settings.labelSmoothing())).add(smooth);
        }
        if (settings.zLoss() > 0) {
            costs = costs.add(torch.logsumexp(logits, -1L).square().mul(Scalars.of(settings.zLoss())));
        }
        return costs;
    }

    private void requireRows(Tensor prediction, Tensor other, String key) {
        long[] rows = Arrays.copyOf(prediction.shape(), (int) prediction.dim() - 1);
        if (!Arrays.equals(rows, other.shape())) {
            throw new PipelineException("%s: %s has shape %s, so ctx.%s must have shape %s, not %s"
                    .formatted(
                            name(),
                            keys.prediction(),
                            Arrays.toString(prediction.shape()),
                            key,
                            Arrays.toString(rows),
                            Arrays.toString(other.shape())));
        }
    }

    private static Tensor upcast(Tensor tensor) {
        ScalarType type = tensor.scalar_type().intern();
        return type == ScalarType.BFloat16 || type == ScalarType.Half ? tensor.to(ScalarType.Float) : tensor;
    }

    @Override
    public Config config() {
        return ConfigFactory.parseMap(Map.of(
                        LABEL_SMOOTHING,
                        settings.labelSmoothing(),
                        Z_LOSS,
                        settings.zLoss(),
                        IGNORE_INDEX,
                        ignoreIndex))
                .withFallback(keys.config());
    }
}
