// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.NotSerializableException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.Serialization;
import org.apache.pekko.serialization.SerializationExtension;
import org.apache.pekko.serialization.SerializerWithStringManifest;
import org.apache.pekko.serialization.Serializers;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.apache.pekko.util.ByteString;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.ColumnType;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.batch.StepPart;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.ClientReply;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

final class KryoMessageSerializerTest {
    private static final int CORRUPTIONS = 2_000;

    private static ActorTestKit kit;
    private static Serialization serialization;
    private static SerializerWithStringManifest serializer;
    private static List<Record> examples;

    private record Whisper(String text) implements CoordinatorCommand.Internal {}

    @BeforeAll
    static void start() throws NotSerializableException {
        kit = ActorTestKit.create();
        serialization = SerializationExtension.get(Adapter.toClassic(kit.system()));
        examples = new ExampleMessages(
                        kit.<CoordinatorCommand>createTestProbe().getRef(),
                        kit.<WorkerCommand>createTestProbe().getRef(),
                        kit.<FeederCommand>createTestProbe().getRef(),
                        kit.<NodeCommand>createTestProbe().getRef(),
                        kit.<RunsCommand>createTestProbe().getRef(),
                        kit.<ClientReply>createTestProbe().getRef(),
                        Source.<ByteString>never().runWith(StreamRefs.sourceRef(), kit.system()))
                .all();
        serializer = (SerializerWithStringManifest) serialization.serializerFor(WorkerCommand.RunSteps.class);
    }

    @AfterAll
    static void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void everyMessageOfTheProtocolsHasAnExample() {
        Set<Class<?>> travelling = Stream.of(
                        CoordinatorCommand.class,
                        WorkerCommand.class,
                        FeederCommand.class,
                        KeeperCommand.class,
                        NodeCommand.class,
                        RunsCommand.class)
                .flatMap(protocol -> Arrays.stream(protocol.getPermittedSubclasses()))
                .filter(Class::isRecord)
                .collect(Collectors.toSet());

        assertThat(examples.stream().map(Object::getClass).collect(Collectors.toSet()))
                .isEqualTo(travelling);
    }

    @Test
    void everyMessageSurvivesPekkosSerialization() {
        for (Record example : examples) {
            byte[] bytes = serialization.serialize(example).get();
            int identifier = serialization.findSerializerFor(example).identifier();
            String manifest = Serializers.manifestFor(serialization.findSerializerFor(example), example);

            assertThat(serialization.deserialize(bytes, identifier, manifest).get())
                    .isEqualTo(example);
            assertThat(identifier).isEqualTo(serializer.identifier());
        }
    }

    @Test
    void whatAnActorTellsItselfDoesNotTravel() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> serializer.toBinary(new Whisper("psst")))
                .withMessageContaining("Whisper")
                .withMessageContaining("not registered");
    }

    @Test
    void anUnregisteredClassIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> serializer.toBinary(new ArrayList<>()))
                .withMessageContaining("java.util.ArrayList");
    }

    @Test
    void javaSerializationStaysOff() {
        assertThat(kit.system().settings().config().getBoolean("pekko.actor.allow-java-serialization"))
                .isFalse();
        assertThat(serialization.serialize(new ArrayList<>()).isFailure()).isTrue();
    }

    @Test
    void aFrameBeyondTheBoundIsRefusedOnBothSides() {
        byte[] tooMany = new byte[KryoMessageSerializer.MAX_FRAME_BYTES];
        Column column = new Column("mask", ColumnType.U8, new long[] {tooMany.length}, tooMany);
        StepBatch batch =
                new StepBatch(Feed.TRAIN, 1, 0, new long[] {}, 0, 0, List.of(new Batch(List.of(column))), false);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> serializer.toBinary(new StepPart(batch, true)))
                .withMessageContaining("67108864 bytes");
        assertRefused(new byte[KryoMessageSerializer.MAX_FRAME_BYTES + 1], "must have 5 to 67108864");
    }

    @Test
    void aFrameOfAnotherReleaseIsRefused() {
        byte[] frame = serializer.toBinary(examples.get(0));

        assertThatThrownBy(() -> serializer.fromBinary(frame, "kryo-0"))
                .isInstanceOf(NotSerializableException.class)
                .hasMessageContaining("kryo-0")
                .hasMessageContaining("kryo-1");
    }

    @Test
    void everyDamagedFrameIsRefused() {
        Random random = new Random(1);
        for (int i = 0; i < CORRUPTIONS; i++) {
            byte[] frame = serializer.toBinary(examples.get(i % examples.size()));
            assertRefused(damaged(frame, random), "");
        }
    }

    @Test
    void corruptBytesBehindARightChecksumAreReadOrRefusedButNeverAnythingElse() {
        Random random = new Random(2);
        Instant deadline = Instant.now().plus(Duration.ofSeconds(20));
        int refused = 0;
        for (int i = 0; i < CORRUPTIONS; i++) {
            byte[] frame = damaged(serializer.toBinary(examples.get(i % examples.size())), random);
            if (frame.length > KryoMessageSerializer.CHECKSUM_BYTES) {
                ByteBuffer.wrap(frame).putInt(KryoMessageSerializer.checksum(frame));
            }
            try {
                serializer.fromBinary(frame, KryoMessageSerializer.MANIFEST);
            } catch (NotSerializableException e) {
                refused++;
            }
        }
        assertThat(refused).isBetween(CORRUPTIONS / 4, CORRUPTIONS);
        assertThat(Instant.now()).isBefore(deadline);
    }

    @Test
    void aLengthThatTheBytesCannotHoldAllocatesNothing() {
        // long[] (id 11, written as 13) of 2^31 - 1 elements, and a class by its name (1)
        assertRefused(sealed(13, 0xff, 0xff, 0xff, 0xff, 0x07), "2147483647 elements");
        assertRefused(sealed(1, 0, 0xff, 0xff, 0xff, 0xff, 0x07), "classes travel as ids");
    }

    @Test
    void bytesThatFollowTheMessageAreRefused() {
        byte[] frame = serializer.toBinary(new WorkerCommand.StopSpan(1));
        byte[] longer = Arrays.copyOf(frame, frame.length + 1);
        ByteBuffer.wrap(longer).putInt(KryoMessageSerializer.checksum(longer));

        assertRefused(longer, "exactly one message");
    }

    /** Flips a few bits, or cuts the end off. */
    private static byte[] damaged(byte[] frame, Random random) {
        if (random.nextInt(4) == 0) {
            return Arrays.copyOf(frame, random.nextInt(frame.length));
        }
        byte[] damaged = frame.clone();
        int flips = 1 + random.nextInt(3);
        for (int i = 0; i < flips; i++) {
            damaged[random.nextInt(damaged.length)] ^= (byte) (1 + random.nextInt(255));
        }
        return Arrays.equals(damaged, frame) ? damaged(frame, random) : damaged;
    }

    private static byte[] sealed(int... body) {
        byte[] frame = new byte[KryoMessageSerializer.CHECKSUM_BYTES + body.length];
        for (int i = 0; i < body.length; i++) {
            frame[KryoMessageSerializer.CHECKSUM_BYTES + i] = (byte) body[i];
        }
        ByteBuffer.wrap(frame).putInt(KryoMessageSerializer.checksum(frame));
        return frame;
    }

    private static void assertRefused(byte[] frame, String words) {
        assertThatThrownBy(() -> serializer.fromBinary(frame, KryoMessageSerializer.MANIFEST))
                .as(() -> "frame " + new String(frame, 0, Math.min(frame.length, 200), StandardCharsets.ISO_8859_1))
                .isInstanceOf(NotSerializableException.class)
                .hasMessageContaining(words);
    }
}
