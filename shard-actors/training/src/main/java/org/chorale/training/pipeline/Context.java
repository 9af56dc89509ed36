// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.HeldTensors;

/**
 * What goes along with a micro-batch beside the tensors that flow: tensors and values by key, arguments for the model's
 * forward, and where and when this is. It lives as long as the micro-batch and holds what is put into it.
 */
public final class Context implements AutoCloseable {
    /** The tokens before any preprocessor, [B, T] int64. */
    public static final String ORIGINAL_BATCH = "original_batch";
    /** 1 where there is a token, 0 where there is padding; [B, T]. */
    public static final String ATTENTION_MASK = "attention_mask";

    /** What is to be predicted; at first the label of each token's successor, [B, T] int64, −100 where nothing counts. */
    public static final String TARGET = "target";

    /** Where a masked loss counts; there is none at first. */
    public static final String MASK = "mask";

    private final Place place;
    private final Function<String, Tensor> parameters;
    private final HeldTensors owner = new HeldTensors();
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private final Map<String, Object> values = new LinkedHashMap<>();
    private final Map<String, Object> arguments = new LinkedHashMap<>();

    /**
     * Where and when a micro-batch is processed.
     *
     * @param seed of the run
     * @param step of the run, from 1; 0 in an evaluation
     * @param samples a number for each sequence of the micro-batch, the same whenever the run sees this sequence
     * @param device that tensors are on
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    public record Place(long seed, long step, long[] samples, Device device) {}

    /** @param parameters the loss's own, by name */
    public Context(Place place, Function<String, Tensor> parameters) {
        this.place = place;
        this.parameters = parameters;
    }

    /** Where and when this is. */
    public Place place() {
        return place;
    }

    /** The optimizer step, from 1; 0 in an evaluation. */
    public long step() {
        return place.step();
    }

    /** Where tensors are. */
    public Device device() {
        return place.device();
    }

    /** Sequences of this micro-batch. */
    public int sequences() {
        return place.samples().length;
    }

    /**
     * Random numbers for one purpose, which sets them apart from other components' and from the next draw; on the device
     * of this micro-batch.
     */
    public KeyedRandom random(String purpose) {
        Device here = place.device();
        return new KeyedRandom(
                place.seed(),
                place.step(),
                place.samples(),
                purpose,
                org.chorale.tensor.device.Device.parse(here.str().getString()));
    }

    /** @throws PipelineException where there is none of this key */
    public Tensor tensor(String key) {
        return find(key).orElseThrow(() -> missing("tensor", key, tensors.keySet()));
    }

    /** Empty where there is no tensor of this key. */
    public Optional<Tensor> find(String key) {
        return Optional.ofNullable(tensors.get(key));
    }

    /** Puts a tensor in, or another in its place. */
    public void put(String key, Tensor tensor) {
        tensors.put(key, owner.hold(tensor));
    }

    /** @throws PipelineException where there is none of this key, or one of another type */
    public <T> T value(String key, Class<T> type) {
        return typed("value", key, type, values);
    }

    /** Puts a value in that is no tensor, or another in its place. */
    public void putValue(String key, Object value) {
        values.put(key, value);
    }

    /** An argument of the model's forward; the default where nobody has set it. */
    public <T> T argument(String name, Class<T> type, T otherwise) {
        return arguments.containsKey(name) ? typed("forward argument", name, type, arguments) : otherwise;
    }

    /** Sets an argument of the model's forward. */
    public void putArgument(String name, Object value) {
        arguments.put(name, value);
    }

    /** A parameter of the loss, which autograd follows. */
    public Tensor parameter(String name) {
        return parameters.apply(name);
    }

    /** As it is now: what is put into one is not seen in the other. */
    public Context copy() {
        Context copy = new Context(place, parameters);
        tensors.forEach(copy::put);
        copy.values.putAll(values);
        copy.arguments.putAll(arguments);
        return copy;
    }

    @Override
    public void close() {
        owner.close();
    }

    private static <T> T typed(String kind, String key, Class<T> type, Map<String, Object> from) {
        Object value = from.get(key);
        if (value == null) {
            throw missing(kind, key, from.keySet());
        }
        if (!type.isInstance(value)) {
            throw new PipelineException("the %s %s in the context is a %s, not a %s"
                    .formatted(kind, key, value.getClass().getSimpleName(), type.getSimpleName()));
        }
        return type.cast(value);
    }

    private static PipelineException missing(String kind, String key, Set<String> there) {
        return new PipelineException(
                "there is no %s %s in the context; there are %s".formatted(kind, key, new TreeSet<>(there)));
    }
}
