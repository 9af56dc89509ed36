// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.Serializer;
import com.esotericsoftware.kryo.io.Input;
import com.esotericsoftware.kryo.io.Output;
import java.util.function.Supplier;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.StreamRefResolver;

/** Where a stream begins in another process, as the path of the actor that keeps its near end. */
final class SourceRefSerializer extends Serializer<SourceRef<?>> {
    private final Supplier<StreamRefResolver> resolver;

    SourceRefSerializer(Supplier<StreamRefResolver> resolver) {
        this.resolver = resolver;
    }

    @Override
    public void write(Kryo kryo, Output output, SourceRef<?> source) {
        kryo.writeObject(output, resolver.get().toSerializationFormat(source));
    }

    @Override
    public SourceRef<?> read(Kryo kryo, Input input, Class<? extends SourceRef<?>> type) {
        return resolver.get().resolveSourceRef(kryo.readObject(input, String.class));
    }
}
