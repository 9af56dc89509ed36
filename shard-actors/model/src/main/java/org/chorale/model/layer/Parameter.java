// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * A tensor of the model and its gradient: views into the flat buffers of a sharding unit, which owns them.
 *
 * <p>Where several ranks hold the model between them, they come and go with the unit: a layer asks for them whenever it
 * computes, and keeps neither.
 */
public final class Parameter {
    private static final long[] ROWS = {0};

    private final String name;
    private final String unit;
    private final Device device;
    private final ScalarType type;
    private final boolean trainable;
    private @Nullable Tensor value;
    private @Nullable Tensor inverseScale; // null where the value is in the dtype of the computation
    private @Nullable Tensor gradient;
    private boolean cleared; // the gradient is zero, whatever its memory holds
    private List<Parameter> scaledWith = List.of(this);
    private final List<Runnable> whenChanged = new ArrayList<>();

    /**
     * A parameter that is not there until its unit sets it.
     *
     * @param name as in the published safetensors files
     * @param unit of which it is a part
     * @param device where value and gradient will be
     * @param type of the computation, and of the value unless that is in FP8
     */
    public Parameter(String name, String unit, Device device, ScalarType type, boolean trainable) {
        this.name = name;
        this.unit = unit;
        this.device = device;
        this.type = type;
        this.trainable = trainable;
    }

    /**
     * A parameter that is always there.
     *
     * @param gradient null where the parameter is frozen
     */
    public Parameter(String name, Tensor value, @Nullable Tensor gradient) {
        this(name, name, Device.of(value), value.scalar_type().intern(), gradient != null);
        this.value = value;
        this.gradient = gradient;
    }

    /** As in the published safetensors files. */
    public String name() {
        return name;
    }

    /** That of the computation. */
    public Device device() {
        return device;
    }

    /** The dtype of the computation. */
    public ScalarType type() {
        return type;
    }

    public boolean trainable() {
        return trainable;
    }

    /**
     * What forward and backward read: in the dtype of the computation, or in E4M3 where its unit gathers it so, as {@link
     * #inverseScale} says.
     *
     * @throws IllegalStateException while its unit is not gathered
     */
    public Tensor value() {
        return there(value, "value");
    }

    /** What a value in E4M3 is multiplied by to be the weight, [1] fp32; null where the value is the weight itself. */
    @Nullable
    Tensor inverseScale() {
        return inverseScale;
    }

    /** The weights that have one scale where they are gathered in FP8, in their order, itself among them. */
    public List<Parameter> scaledWith() {
        return scaledWith;
    }

    /** Says that these are read as one matrix in FP8, which has one scale. */
    static void scaleTogether(List<Parameter> weights) {
        weights.forEach(weight -> weight.scaledWith = List.copyOf(weights));
    }

    /**
     * Of the value's shape, in fp32 (fp64 in tests), whatever the value's dtype; a backward adds to it. Null where the
     * parameter is frozen.
     *
     * @throws IllegalStateException while its unit is not in backward
     */
    public @Nullable Tensor gradient() {
        settleGradient();
        return gradientMemory();
    }

    /** Where the value is from now on; null where it is nowhere. Called by the unit alone. */
    public void setValue(@Nullable Tensor value) {
        this.value = value;
        this.inverseScale = null;
        valueChanged();
    }

    /** Likewise, of a value in E4M3. */
    public void setValue(Tensor value, Tensor inverseScale) {
        this.value = value;
        this.inverseScale = inverseScale;
        valueChanged();
    }

    /** Says that other numbers are where the value is. Called by the unit alone. */
    public void valueChanged() {
        whenChanged.forEach(Runnable::run);
    }

    /** Has something run whenever the value changes or is taken away: what was made of it is dropped there. */
    void whenChanged(Runnable action) {
        whenChanged.add(action);
    }

    /** Where the gradient is from now on; null where it is nowhere. Called by the unit alone. */
    public void setGradient(@Nullable Tensor gradient) {
        this.gradient = gradient;
    }

    /**
     * Makes the gradient zero without a pass over its memory: what is added first is written there. Called by the unit
     * alone, which {@link #settleGradient settles} it before it reads the memory.
     */
    public void clearGradient() {
        cleared = true;
    }

    /** Zeroes the gradient's memory if it was cleared and nothing has been added since. */
    public void settleGradient() {
        Tensor memory = gradient;
        if (cleared && memory != null) {
            cleared = false;
            try (TensorScope scope = new TensorScope()) {
                memory.zero_();
            }
        }
    }

    /** Adds to the gradient of a parameter that is trained, in the gradient's dtype; leaves a frozen one alone. */
    public void addGradient(Tensor addend) {
        Tensor sum = gradientMemory();
        if (sum == null) {
            return;
        }
        if (wasCleared()) {
            sum.copy_(addend);
        } else {
            sum.add_(addend);
        }
    }

    /** Adds aᵀ·b, of a [R, m] and b [R, n], to a gradient [m, n]; nothing is computed for a frozen parameter. */
    void addGradientProduct(Tensor a, Tensor b, double scale) {
        addGradient(new GradientAddend.Product(a, b, scale));
    }

    /** Likewise, whatever is to be added. */
    void addGradient(GradientAddend addend) {
        Tensor sum = gradientMemory();
        if (sum != null) {
            add(addend, sum, wasCleared());
        }
    }

    /**
     * Adds to the gradients of trained parameters that follow each other in memory.
     *
     * @param sums all of the gradients as one, over their memory
     */
    static void addGradient(List<Parameter> parameters, Tensor sums, GradientAddend addend) {
        boolean first = parameters.stream().allMatch(parameter -> parameter.cleared);
        if (!first) {
            parameters.forEach(Parameter::settleGradient);
        }
        parameters.forEach(Parameter::wasCleared);
        add(addend, sums, first);
    }

    private static void add(GradientAddend addend, Tensor sum, boolean first) {
        if (first) {
            addend.write(sum);
        } else {
            addend.addTo(sum);
        }
    }

    /** Adds the sum over rows [R, n], taken in the gradient's dtype; nothing is computed for a frozen parameter. */
    void addGradientOfRows(Tensor rows) {
        Tensor sum = gradientMemory();
        if (sum != null) {
            try (TensorScope scope = new TensorScope()) {
                addGradient(rows.sum(ROWS, false, new ScalarTypeOptional(sum.scalar_type())));
            }
        }
    }

    /** As {@link #gradient}, but what lies there counts for nothing if it was cleared. */
    @Nullable
    Tensor gradientMemory() {
        return trainable ? there(gradient, "gradient") : null;
    }

    /** Whether what is added now is the first; asked once, by who adds it. */
    private boolean wasCleared() {
        boolean first = cleared;
        cleared = false;
        return first;
    }

    private Tensor there(@Nullable Tensor tensor, String what) {
        if (tensor == null) {
            throw new IllegalStateException(
                    "the %s of %s is not there: the unit %s is not open for it".formatted(what, name, unit));
        }
        return tensor;
    }
}
