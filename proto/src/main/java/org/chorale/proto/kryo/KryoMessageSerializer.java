// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.io.Input;
import com.esotericsoftware.kryo.io.Output;
import com.esotericsoftware.kryo.util.Pool;
import java.io.NotSerializableException;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;
import org.apache.pekko.actor.ClassicActorSystemProvider;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.SerializerWithStringManifest;
import org.apache.pekko.stream.StreamRefResolver;

/**
 * Pekko's way to the messages of {@link MessageTable}. A frame is a CRC-32C of the body in four bytes, and the body as
 * Kryo writes it; so a damaged frame is refused rather than read as another message.
 */
public final class KryoMessageSerializer extends SerializerWithStringManifest {
    /** Largest frame, on both sides. A batch of a million tokens with labels takes 16 MiB. */
    public static final int MAX_FRAME_BYTES = 64 << 20;

    /** Names the form of the frame; it changes when a release cannot read the one before. */
    public static final String MANIFEST = "kryo-1";

    static final int CHECKSUM_BYTES = Integer.BYTES;

    /** Pekko keeps 0 to 40 for itself. */
    private static final int IDENTIFIER = 7_305_001;

    private static final int INITIAL_BUFFER_BYTES = 4096;
    /** The deepest message nests batch, column and shape; corrupt bytes may claim more. */
    private static final int MAX_DEPTH = 32;
    /** Idle instances that are kept; a burst makes more and lets them go. */
    private static final int POOLED = 16;

    private final Pool<Kryo> pool;

    /** Called by Pekko, which finds the class in the configuration. */
    public KryoMessageSerializer(ExtendedActorSystem system) {
        // The resolvers are extensions that must not be looked up while the system still starts its serializers.
        ActorRefSerializer actorRefs = new ActorRefSerializer(() -> ActorRefResolver.get(Adapter.toTyped(system)));
        SourceRefSerializer sourceRefs =
                new SourceRefSerializer(() -> StreamRefResolver.get((ClassicActorSystemProvider) system));
        pool = new Pool<>(true, false, POOLED) {
            @Override
            protected Kryo create() {
                return kryo(actorRefs, sourceRefs);
            }
        };
    }

    private static Kryo kryo(ActorRefSerializer actorRefs, SourceRefSerializer sourceRefs) {
        Kryo kryo = new Kryo(new IdsOnly(), null);
        kryo.setRegistrationRequired(true);
        kryo.setMaxDepth(MAX_DEPTH);
        MessageTable.register(kryo, actorRefs, sourceRefs);
        return kryo;
    }

    @Override
    public int identifier() {
        return IDENTIFIER;
    }

    @Override
    public String manifest(Object message) {
        return MANIFEST;
    }

    /** @throws IllegalArgumentException for a class outside the table, or a message beyond {@link #MAX_FRAME_BYTES} */
    @Override
    public byte[] toBinary(Object message) {
        Kryo kryo = pool.obtain();
        try (Output output = new Output(INITIAL_BUFFER_BYTES, MAX_FRAME_BYTES)) {
            output.setPosition(CHECKSUM_BYTES);
            kryo.writeClassAndObject(output, message);
            byte[] frame = output.toBytes();
            ByteBuffer.wrap(frame).putInt(checksum(frame));
            return frame;
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(
                    message.getClass().getName() + " cannot be sent in at most " + MAX_FRAME_BYTES + " bytes: "
                            + e.getMessage(),
                    e);
        } finally {
            pool.free(kryo);
        }
    }

    @Override
    public Object fromBinary(byte[] frame, String manifest) throws NotSerializableException {
        if (!manifest.equals(MANIFEST)) {
            throw new NotSerializableException("frame of form " + manifest + ": this release reads " + MANIFEST);
        }
        if (frame.length <= CHECKSUM_BYTES || frame.length > MAX_FRAME_BYTES) {
            throw new NotSerializableException(
                    "frame of " + frame.length + " bytes: must have 5 to " + MAX_FRAME_BYTES);
        }
        if (ByteBuffer.wrap(frame).getInt() != checksum(frame)) {
            throw new NotSerializableException("frame of " + frame.length + " bytes: its checksum does not match");
        }
        return read(frame);
    }

    private Object read(byte[] frame) throws NotSerializableException {
        Kryo kryo = pool.obtain();
        try (Input input = new Input(frame, CHECKSUM_BYTES, frame.length - CHECKSUM_BYTES)) {
            Object message = kryo.readClassAndObject(input);
            if (message == null || input.position() != frame.length) {
                throw new NotSerializableException("frame does not hold exactly one message");
            }
            return message;
        } catch (RuntimeException e) { // Kryo's own, and whatever a record's constructor objects to
            NotSerializableException refused = new NotSerializableException("frame cannot be read: " + e.getMessage());
            refused.initCause(e);
            throw refused;
        } finally {
            pool.free(kryo);
        }
    }

    static int checksum(byte[] frame) {
        CRC32C checksum = new CRC32C();
        checksum.update(frame, CHECKSUM_BYTES, frame.length - CHECKSUM_BYTES);
        return (int) checksum.getValue();
    }
}
