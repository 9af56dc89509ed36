// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceStream;
import org.chorale.tensor.profile.Lane.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RecordingTest {
    private static final Lane KERNELS = new Lane(Kind.KERNEL, "kernels of stream 7");

    private static final Duration PATIENCE = Duration.ofSeconds(10);

    @TempDir
    Path folder;

    @Test
    void aFileHasLanesInProcessesAndTimesInMicrosecondsFromTheStart() throws IOException {
        Timeline timeline = new Timeline(
                Instant.EPOCH,
                1_000_000,
                List.of(
                        new Span(KERNELS, "gemm", 1_002_500, 1_003_000, 0),
                        new Span(Lane.SHARD, "begin step 1", 1_001_000, 1_002_000, 0),
                        new Span(new Lane(Kind.COPY, "copies of stream 7"), "memcpy", 1_002_000, 1_002_250, 4096)),
                3);

        JsonNode trace = written(timeline);

        assertThat(trace.at("/otherData/rank").asText()).isEqualTo("0");
        assertThat(trace.at("/otherData/lost").asInt()).isEqualTo(3);
        assertThat(trace.at("/otherData/started").asText()).isEqualTo("1970-01-01T00:00:00Z");
        assertThat(events(trace, "M"))
                .extracting(
                        name -> name.get("pid") + " " + name.at("/args/name").asText())
                .containsExactly("1 host", "2 GPU", "1 shard", "2 kernels of stream 7", "2 copies of stream 7");
        assertThat(events(trace, "X"))
                .extracting(JsonNode::toString)
                .containsExactly(
                        "{\"ph\":\"X\",\"name\":\"begin step 1\",\"cat\":\"host\",\"pid\":1,\"tid\":1,\"ts\":1.0,\"dur\":1.0}",
                        "{\"ph\":\"X\",\"name\":\"memcpy\",\"cat\":\"copy\",\"pid\":2,\"tid\":3,\"ts\":2.0,\"dur\":0.25,"
                                + "\"args\":{\"bytes\":4096}}",
                        "{\"ph\":\"X\",\"name\":\"gemm\",\"cat\":\"kernel\",\"pid\":2,\"tid\":2,\"ts\":2.5,\"dur\":0.5}");
    }

    @Test
    void stepsFollowEachOtherFromTheEndOfTheOneBefore() {
        try (Recording recording = Recording.start(Device.CPU)) {
            StepLanes lanes = new StepLanes(recording);
            lanes.begun(7, System.nanoTime());
            lanes.begun(8, System.nanoTime());
            lanes.over(7, System.nanoTime());
            lanes.over(8, System.nanoTime());
            Timeline timeline = recording.stop(PATIENCE);

            List<Span> steps = timeline.spans().stream()
                    .filter(span -> span.lane().equals(Lane.STEPS))
                    .toList();
            assertThat(steps).extracting(Span::name).containsExactly("step 7", "step 8");
            assertThat(steps.get(1).startNanos())
                    .isGreaterThanOrEqualTo(steps.get(0).endNanos());
            assertThat(steps.get(0).startNanos()).isGreaterThanOrEqualTo(timeline.startNanos());
            assertThat(timeline.spans()).hasSize(6);
        }
    }

    @Test
    void anOperationOfSeveralRanksSaysWhatItMoves() throws IOException {
        try (Recording recording = Recording.start(Device.CPU);
                DeviceStream stream = DeviceStream.current(Device.CPU)) {
            recording.add(new Traffic("world.shard-0", 17, "allGather", 4096, 2), stream, System.nanoTime());
            Timeline timeline = recording.stop(PATIENCE);
            recording.add(new Traffic("world.shard-0", 18, "allGather", 4096, 2), stream, System.nanoTime());

            assertThat(timeline.spans()).singleElement().satisfies(call -> {
                assertThat(call.lane()).isEqualTo(new Lane(Kind.COLLECTIVE, "world.shard-0"));
                assertThat(call.name()).isEqualTo("allGather 17");
            });
            assertThat(events(written(timeline), "X"))
                    .extracting(event -> event.get("args").toString())
                    .containsExactly("{\"bytes\":4096,\"operation\":\"allGather\",\"group\":\"world.shard-0\","
                            + "\"number\":17,\"ranks\":2}");
        }
    }

    @Test
    void whatIsTooMuchIsCounted() {
        try (Recording recording = Recording.start(Device.CPU)) {
            long now = System.nanoTime();
            Span span = new Span(Lane.SHARD, "again", now, now, 0);
            for (int i = 0; i < Recording.MOST_SPANS + 2; i++) {
                recording.add(span);
            }

            Timeline timeline = recording.stop(PATIENCE);

            assertThat(timeline.spans()).hasSize(Recording.MOST_SPANS);
            assertThat(timeline.lost()).isEqualTo(2);
        }
    }

    @Test
    void whatBeganBeforeCountsFromTheStart() {
        long before = System.nanoTime();
        long ended = System.nanoTime();
        try (Recording recording = Recording.start(Device.CPU)) {
            recording.add(new Span(Lane.SHARD, "long ago", before - 1, ended, 0));
            recording.add(Lane.SHARD, "begun before", before);

            Timeline timeline = recording.stop(PATIENCE);

            assertThat(timeline.spans()).singleElement().satisfies(span -> {
                assertThat(span.name()).isEqualTo("begun before");
                assertThat(span.startNanos()).isEqualTo(timeline.startNanos()).isGreaterThan(before);
            });
        }
    }

    @Test
    void whatComesLateIsLeftOut() {
        try (Recording recording = Recording.start(Device.CPU)) {
            Timeline timeline = recording.stop(PATIENCE);
            recording.add(Lane.SHARD, "late", System.nanoTime());

            assertThat(timeline.spans()).isEmpty();
            assertThatThrownBy(() -> recording.stop(PATIENCE)).isInstanceOf(IllegalStateException.class);
        }
    }

    /** As it is where these tests run: without natives for GPUs. */
    @Test
    void aGpuThatCannotBeRecordedIsNoReasonToRecordTheHostAlone() {
        assertThatThrownBy(() -> Recording.start(Device.cuda(0)))
                .isInstanceOf(ProfileException.class)
                .hasMessageContainingAll("CUPTI", "libcupti.so.13");
    }

    @Test
    void aFolderThatCannotBeMadeIsNamed() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));

        assertThatThrownBy(() -> new Timeline(Instant.EPOCH, 0, List.of(), 0).write(file.resolve("a.json"), Map.of()))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining(file.resolve("a.json").toString());
    }

    private JsonNode written(Timeline timeline) throws IOException {
        Path file = folder.resolve("profile/rank-00000.json");
        timeline.write(file, Map.of("rank", "0"));
        return new ObjectMapper().readTree(file.toFile());
    }

    private static List<JsonNode> events(JsonNode trace, String phase) {
        return StreamSupport.stream(trace.get("traceEvents").spliterator(), false)
                .filter(event -> event.get("ph").asText().equals(phase))
                .toList();
    }
}
