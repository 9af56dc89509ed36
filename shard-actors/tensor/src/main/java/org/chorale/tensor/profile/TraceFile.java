// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.chorale.tensor.profile.Lane.Kind;
import org.chorale.tensor.safetensors.AtomicFile;
import org.jspecify.annotations.Nullable;

/**
 * Chrome's trace format: an object whose {@code traceEvents} are complete events ({@code ph} X) with begin and length in
 * microseconds, in the order in which they begin, after the names of processes and threads ({@code ph} M). The host is
 * process 1 and the GPU process 2; a lane is a thread.
 */
final class TraceFile {
    private static final JsonFactory JSON = new JsonFactory();
    private static final int HOST = 1;
    private static final int DEVICE = 2;

    /** Around comes before within, so that what begins at the same time nests. */
    private static final Comparator<Span> ORDER =
            Comparator.comparingLong(Span::startNanos).thenComparing(Span::endNanos, Comparator.reverseOrder());

    private final JsonGenerator json;
    private final Timeline timeline;
    private final Map<Lane, Integer> threads = new HashMap<>();

    private TraceFile(JsonGenerator json, Timeline timeline) {
        this.json = json;
        this.timeline = timeline;
    }

    static void write(Path file, Timeline timeline, Map<String, String> about) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        try (AtomicFile target = AtomicFile.create(file)) {
            try (JsonGenerator json = JSON.createGenerator(new Bytes(target))) {
                new TraceFile(json, timeline).write(about);
            }
            target.commit();
        }
    }

    private void write(Map<String, String> about) throws IOException {
        json.writeStartObject();
        json.writeStringField("displayTimeUnit", "ms");
        json.writeObjectFieldStart("otherData");
        for (Map.Entry<String, String> entry : new TreeMap<>(about).entrySet()) {
            json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeStringField("started", timeline.started().toString());
        json.writeNumberField("lost", timeline.lost());
        json.writeEndObject();
        json.writeArrayFieldStart("traceEvents");
        writeNames();
        for (Span span : timeline.spans().stream().sorted(ORDER).toList()) {
            write(span);
        }
        json.writeEndArray();
        json.writeEndObject();
    }

    private void writeNames() throws IOException {
        List<Lane> lanes = timeline.spans().stream()
                .map(Span::lane)
                .distinct()
                .sorted(Comparator.comparing(Lane::kind).thenComparing(Lane::name))
                .toList();
        name("process_name", HOST, 0, "host");
        if (lanes.stream().anyMatch(lane -> lane.kind().onDevice())) {
            name("process_name", DEVICE, 0, "GPU");
        }
        for (Lane lane : lanes) {
            int thread = threads.size() + 1; // shown in the order of their numbers
            threads.put(lane, thread);
            name("thread_name", process(lane.kind()), thread, lane.name());
        }
    }

    private void name(String what, int process, int thread, String name) throws IOException {
        json.writeStartObject();
        json.writeStringField("ph", "M");
        json.writeStringField("name", what);
        json.writeNumberField("pid", process);
        json.writeNumberField("tid", thread);
        json.writeObjectFieldStart("args");
        json.writeStringField("name", name);
        json.writeEndObject();
        json.writeEndObject();
    }

    private void write(Span span) throws IOException {
        json.writeStartObject();
        json.writeStringField("ph", "X");
        json.writeStringField("name", span.name());
        json.writeStringField("cat", span.lane().kind().word());
        json.writeNumberField("pid", process(span.lane().kind()));
        json.writeNumberField("tid", threads.getOrDefault(span.lane(), 0));
        json.writeNumberField("ts", (span.startNanos() - timeline.startNanos()) / 1e3);
        json.writeNumberField("dur", (span.endNanos() - span.startNanos()) / 1e3);
        if (span.bytes() > 0) {
            json.writeObjectFieldStart("args");
            json.writeNumberField("bytes", span.bytes());
            write(span.traffic());
            json.writeEndObject();
        }
        json.writeEndObject();
    }

    private void write(@Nullable Traffic traffic) throws IOException {
        if (traffic != null) {
            json.writeStringField("operation", traffic.operation());
            json.writeStringField("group", traffic.group());
            json.writeNumberField("number", traffic.number());
            json.writeNumberField("ranks", traffic.ranks());
        }
    }

    private static int process(Kind kind) {
        return kind.onDevice() ? DEVICE : HOST;
    }

    /** Jackson gathers what goes here. */
    private static final class Bytes extends OutputStream {
        private final AtomicFile file;

        Bytes(AtomicFile file) {
            this.file = file;
        }

        @Override
        public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            file.write(ByteBuffer.wrap(bytes, offset, length));
        }
    }
}
