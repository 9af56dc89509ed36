// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.DoubleBuffer;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.HostCopy;
import org.chorale.training.StepSums.Total;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.pipeline.LossOutput.Mean;
import org.jspecify.annotations.Nullable;

/**
 * A step that has begun; its numbers are on their way to the host:
 *
 * <pre>
 * vector of all ranks | norm | not finite | loss scale | this rank's sums that the vector has no place for
 * </pre>
 *
 * <p>Where a rank had names that the vector has no place for, {@link #await} settles them with all other ranks. So all
 * ranks call it for the same step at the same place among their other operations: all of them before the next step
 * begins, or all after. Where {@link #needsOthers} says no, a rank may call it whenever it likes.
 */
public final class PendingStep implements AutoCloseable {
    private static final int NORM = 0; // behind the vector
    private static final int NOT_FINITE = 1;
    private static final int LOSS_SCALE = 2;
    private static final int FIRST_STRANGER = 3;

    private final StepNames names;
    private final StepVector layout;
    private final Map<String, Double> strangers; // their weights
    private final HostCopy copy;
    private final Duration patience;
    private double @Nullable [] values;
    private @Nullable StepResult result;
    private boolean closed;

    private PendingStep(
            StepNames names, StepVector layout, Map<String, Double> strangers, HostCopy copy, Duration patience) {
        this.names = names;
        this.layout = layout;
        this.strangers = strangers;
        this.copy = copy;
        this.patience = patience;
    }

    /**
     * Sends the numbers on their way.
     *
     * @param vector of all ranks
     * @param scale [1] fp32, which the step's loss was multiplied by; 0 where the format needs none
     * @param strangers what this rank has besides
     */
    static PendingStep of(
            StepNames names,
            StepVector layout,
            Tensor vector,
            StepVerdict verdict,
            Tensor scale,
            Map<String, Mean> strangers,
            Duration patience) {
        Map<String, Double> weights = new LinkedHashMap<>();
        try (TensorScope scope = new TensorScope()) {
            Device device = Device.of(vector);
            TensorVector parts = new TensorVector(vector, verdict.norm(), verdict.notFinite(), scale);
            strangers.forEach((name, mean) -> {
                parts.push_back(StepVector.moved(mean.sum(), device));
                weights.put(name, mean.weight());
            });
            return new PendingStep(names, layout, weights, HostCopy.of(torch.cat(parts)), patience);
        }
    }

    /** Whether {@link #await} does something together with all other ranks. Waits until the step is done. */
    public boolean needsOthers() {
        return result == null && layout.hasStrangers(values());
    }

    /**
     * Waits until the step is done, and for nothing that has begun since. Called again, it gives the same.
     *
     * @throws org.chorale.tensor.device.DeviceTimeoutException where the device does not come to the step's end
     * @throws org.chorale.tensor.collective.CollectiveException where a rank was lost, so that the numbers mean nothing
     * @throws IllegalStateException where the step was closed before it was read
     */
    public StepResult await() {
        StepResult known = result;
        if (known == null) {
            double[] read = values();
            Map<String, Total> totals = layout.totals(read);
            if (layout.hasStrangers(read)) {
                totals.putAll(settled(read));
            }
            known = result(StepTotals.ofKeys(totals), read);
            result = known;
            close();
        }
        return known;
    }

    /** Whether nobody waits for the step any more. */
    boolean isOver() {
        return closed;
    }

    private double[] values() {
        double[] known = values;
        if (known == null) {
            if (closed) {
                throw new IllegalStateException("the step was given up before it was read");
            }
            try (TensorScope scope = new TensorScope()) {
                Tensor host = copy.await(patience, names::check);
                known = new double[(int) host.numel()];
                host.<DoubleBuffer>createBuffer().get(known);
            }
            values = known;
        }
        return known;
    }

    private Map<String, Total> settled(double[] read) {
        Map<String, Total> own = new LinkedHashMap<>();
        int at = layout.length() + FIRST_STRANGER;
        for (Map.Entry<String, Double> stranger : strangers.entrySet()) {
            own.put(stranger.getKey(), new Total(read[at++], stranger.getValue()));
        }
        Map<String, Total> all = new LinkedHashMap<>(names.settle(own));
        all.keySet().removeAll(layout.keys());
        return all;
    }

    private StepResult result(StepTotals totals, double[] read) {
        boolean stop = layout.isStopped(read);
        double scale = read[layout.length() + LOSS_SCALE];
        if (totals.isEmpty()) {
            return StepResult.nothingTrained(scale, stop);
        }
        boolean skipped = read[layout.length() + NOT_FINITE] > 0;
        return new StepResult(
                (float) totals.loss(),
                read[layout.length() + NORM],
                Math.round(totals.firstWeight()),
                skipped,
                skipped && LossScale.canShrink(scale),
                scale,
                stop,
                totals.means());
    }

    /** Gives the step's result up where it was not read; what the device computes goes on. */
    @Override
    public void close() {
        closed = true;
        copy.close();
    }
}
