// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import java.util.stream.IntStream;

/** What a model's layers keep of one sequence while it is generated. */
public final class KeyValueCache implements AutoCloseable {
    private final List<KeyValues> layers;

    /** Empty; memory is taken as tokens come. */
    public KeyValueCache(int layers) {
        this.layers = IntStream.range(0, layers).mapToObj(i -> new KeyValues()).toList();
    }

    /** Tokens that every layer has seen. */
    public long tokens() {
        return layers.get(layers.size() - 1).tokens();
    }

    /** Forgets all but the first tokens. */
    public void truncate(long tokens) {
        layers.forEach(layer -> layer.truncate(tokens));
    }

    /** Of the layer with this index. */
    public KeyValues layer(int index) {
        return layers.get(index);
    }

    @Override
    public void close() {
        layers.forEach(KeyValues::close);
    }
}
