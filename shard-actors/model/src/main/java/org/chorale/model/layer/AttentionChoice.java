// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.AttentionSettings.Preference;
import org.chorale.tensor.device.Device;

/**
 * Flash or cuDNN for a shape: whichever needs less time for a forward and a backward, measured at the shape's first use
 * in the process and remembered.
 *
 * <p>A resumed run may choose otherwise. It loses nothing by that: its steps would not repeat bit for bit with the same
 * choice either (see {@link AttentionSettings}), and both are as exact. Where bits are to be repeated, nothing is
 * measured: it is flash.
 */
final class AttentionChoice {
    /**
     * More shapes than this mean that lengths vary from step to step: a plan of cuDNN's for each would cost more than
     * it saves.
     */
    static final int MAX_MEASURED_SHAPES = 8;

    private static final Logger LOG = System.getLogger(AttentionChoice.class.getName());

    /** Times a forward and a backward; throws where a way cannot take these tensors. */
    interface Stopwatch {
        double millis(AttentionWay way, Tensor q, Tensor k, Tensor v);
    }

    /** Where the tensors lie, their dtype, and B, T, N, K and H. */
    private record Shape(
            Device device, ScalarType type, long sequences, long tokens, long heads, long keyHeads, long width) {
        static Shape of(Tensor q, Tensor k) {
            return new Shape(
                    Device.of(q), q.scalar_type().intern(), q.size(0), q.size(1), q.size(2), k.size(2), q.size(3));
        }

        @Override
        public String toString() {
            return "B %d, T %d, N %d, K %d, H %d, %s on %s"
                    .formatted(sequences, tokens, heads, keyHeads, width, type, device);
        }
    }

    private final AttentionSettings settings;
    private final Stopwatch stopwatch;
    private final ConcurrentMap<Shape, AttentionWay> chosen = new ConcurrentHashMap<>();

    AttentionChoice(AttentionSettings settings, Stopwatch stopwatch) {
        this.settings = settings;
        this.stopwatch = stopwatch;
    }

    /** The same answer for the same shape, always. */
    AttentionWay way(Tensor q, Tensor k, Tensor v) {
        if (settings.preference() == Preference.FLASH || settings.deterministic()) {
            return AttentionWay.FLASH;
        }
        Shape shape = Shape.of(q, k);
        AttentionWay known = chosen.get(shape);
        if (known != null) {
            return known;
        }
        boolean tooMany = settings.preference() == Preference.AUTO && chosen.size() >= MAX_MEASURED_SHAPES;
        return tooMany ? AttentionWay.FLASH : chosen.computeIfAbsent(shape, s -> measured(s, q, k, v));
    }

    private AttentionWay measured(Shape shape, Tensor q, Tensor k, Tensor v) {
        double cudnn;
        try {
            cudnn = stopwatch.millis(AttentionWay.CUDNN, q, k, v);
        } catch (RuntimeException e) {
            LOG.log(Level.WARNING, "cuDNN does not take attention of " + shape + ", flash is used", e);
            return AttentionWay.FLASH;
        }
        if (settings.preference() == Preference.CUDNN) {
            return AttentionWay.CUDNN;
        }
        double flash = stopwatch.millis(AttentionWay.FLASH, q, k, v);
        LOG.log(Level.DEBUG, "attention of {0}: flash {1} ms, cuDNN {2} ms", shape, flash, cudnn);
        return cudnn < flash ? AttentionWay.CUDNN : AttentionWay.FLASH;
    }
}
