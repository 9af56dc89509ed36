// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;

/** Tensors by name, in order: what flows through a pipeline. Unchangeable; owns none of them. */
public final class NamedTensors {
    /** The tokens of a micro-batch, [B, T] int64. */
    public static final String BATCH = "batch";

    /** The label of each token at its own place, [B, T] int64; −100 where nothing counts. */
    public static final String LABELS = "labels";

    /** Of packed batches: each token's position in its document, [B, T] int64. */
    public static final String POSITIONS = "positions";

    /** Of packed batches: the document of each token in its sequence, [B, T] int64; −1 for padding. */
    public static final String DOCUMENTS = "documents";

    /** A language model's predictions, [B, T, V]. */
    public static final String LOGITS = "logits";

    /** A language model's last hidden states, [B, T, D]. */
    public static final String HIDDEN = "hidden";

    private final Map<String, Tensor> tensors;

    private NamedTensors(Map<String, Tensor> tensors) {
        this.tensors = Collections.unmodifiableMap(tensors);
    }

    /** None. */
    public static NamedTensors empty() {
        return new NamedTensors(Map.of());
    }

    /** One tensor; {@link #with} adds more. */
    public static NamedTensors of(String name, Tensor tensor) {
        return empty().with(name, tensor);
    }

    /** @throws PipelineException where there is none of this name */
    public Tensor get(String name) {
        return find(name)
                .orElseThrow(() ->
                        new PipelineException("there is no tensor " + name + " here; there are " + tensors.keySet()));
    }

    /** Empty where there is none of this name. */
    public Optional<Tensor> find(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /** The same, with this tensor put in or replaced. */
    public NamedTensors with(String name, Tensor tensor) {
        Map<String, Tensor> more = new LinkedHashMap<>(tensors);
        more.put(name, tensor);
        return new NamedTensors(more);
    }

    /** The same, with all of these put in or replaced. */
    public NamedTensors with(NamedTensors others) {
        Map<String, Tensor> more = new LinkedHashMap<>(tensors);
        more.putAll(others.tensors);
        return new NamedTensors(more);
    }

    /** The same, without those of these names. */
    public NamedTensors without(Collection<String> names) {
        Map<String, Tensor> fewer = new LinkedHashMap<>(tensors);
        fewer.keySet().removeAll(names);
        return new NamedTensors(fewer);
    }

    /** In order. */
    public Set<String> names() {
        return tensors.keySet();
    }

    /** By name, in order; not to be changed. */
    public Map<String, Tensor> asMap() {
        return tensors;
    }
}
