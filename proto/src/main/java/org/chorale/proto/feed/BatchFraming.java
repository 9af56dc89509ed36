// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.feed;

import java.io.NotSerializableException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.japi.function.Function;
import org.apache.pekko.japi.pf.PFBuilder;
import org.apache.pekko.serialization.SerializationExtension;
import org.apache.pekko.serialization.SerializerWithStringManifest;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.StreamRefAttributes;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.apache.pekko.stream.scaladsl.Framing;
import org.apache.pekko.util.ByteString;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.batch.StepPart;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.kryo.KryoMessageSerializer;

/**
 * How a stream of batches crosses processes: each micro-batch is a frame behind its length, and frames travel in pieces
 * that fit into what Artery sends at once by default, whatever the size of a batch. So no process has to be told of a
 * larger message, and large batches do not hold up heartbeats and orders for long.
 *
 * <p>A stream that cannot go on ends with a frame that says why: Pekko would pass on no more than a text.
 */
public final class BatchFraming {
    /** Half of what {@code pekko.remote.artery.advanced.maximum-frame-size} is where nobody sets it. */
    public static final int PIECE_BYTES = 128 << 10;

    /** Pieces that are on their way to a rank or wait there to become a batch. */
    public static final int PIECES_IN_FLIGHT = 16;

    /** A stream that its rank has not begun to read by then is given up. */
    static final Duration SUBSCRIBED_WITHIN = Duration.ofSeconds(30);

    private BatchFraming() {}

    /**
     * Batches as pieces of bytes.
     *
     * @param faults what to tell of a failure
     */
    public static Source<ByteString, NotUsed> encode(
            Source<StepBatch, NotUsed> batches, Function<Throwable, Fault> faults, ActorSystem<?> system) {
        SerializerWithStringManifest serializer = serializer(system);
        return batches.mapConcat(StepBatch::parts)
                .map(Record.class::cast)
                .recover(new PFBuilder<Throwable, Record>()
                        .matchAny(faults::apply)
                        .build())
                .map(frame -> ByteString.fromArrayUnsafe(serializer.toBinary(frame)))
                .via(Framing.simpleFramingProtocolEncoder(KryoMessageSerializer.MAX_FRAME_BYTES)
                        .asJava())
                .mapConcat(BatchFraming::pieces);
    }

    /** Where a rank, here or in another process, gets the pieces from. */
    public static Sink<ByteString, SourceRef<ByteString>> forRank() {
        return StreamRefs.<ByteString>sourceRef()
                .withAttributes(StreamRefAttributes.subscriptionTimeout(SUBSCRIBED_WITHIN));
    }

    /** The batches; fails with a {@link FaultException} where the feeder's stream did. */
    public static Source<StepBatch, NotUsed> decode(SourceRef<ByteString> pieces, ActorSystem<?> system) {
        SerializerWithStringManifest serializer = serializer(system);
        return pieces.getSource()
                .withAttributes(StreamRefAttributes.bufferCapacity(PIECES_IN_FLIGHT))
                .via(Framing.simpleFramingProtocolDecoder(KryoMessageSerializer.MAX_FRAME_BYTES)
                        .asJava())
                .map(frame -> part(frame, serializer))
                .statefulMapConcat(BatchFraming::gather);
    }

    private static SerializerWithStringManifest serializer(ActorSystem<?> system) {
        try {
            return (SerializerWithStringManifest)
                    SerializationExtension.get(system).serializerFor(StepPart.class);
        } catch (NotSerializableException e) { // reference.conf names it
            throw new IllegalStateException("the configuration of this system leaves out Chorale's serializer", e);
        }
    }

    private static List<ByteString> pieces(ByteString frame) {
        return IntStream.range(0, (frame.size() - 1) / PIECE_BYTES + 1)
                .mapToObj(piece -> frame.slice(piece * PIECE_BYTES, Math.min(frame.size(), (piece + 1) * PIECE_BYTES)))
                .toList();
    }

    private static StepPart part(ByteString bytes, SerializerWithStringManifest serializer)
            throws NotSerializableException {
        Object frame = serializer.fromBinary(bytes.toArrayUnsafe(), KryoMessageSerializer.MANIFEST);
        if (frame instanceof Fault fault) {
            throw new FaultException(fault.code(), fault.message());
        }
        return (StepPart) frame;
    }

    /** Collects micro-batches until a step has all of its own. */
    private static Function<StepPart, Iterable<StepBatch>> gather() {
        List<StepPart> gathered = new ArrayList<>();
        return part -> {
            gathered.add(part);
            if (!part.endsStep()) {
                return List.of();
            }
            StepBatch batch = StepBatch.join(gathered);
            gathered.clear();
            return List.of(batch);
        };
    }
}
