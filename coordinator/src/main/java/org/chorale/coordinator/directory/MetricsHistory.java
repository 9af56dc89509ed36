// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The lines of {@code metrics.jsonl} from before a resume. Those up to the step of the checkpoint were forced before it
 * was committed, and stay; later ones are provisional, the last of them perhaps torn, and go. Lines are copied one by
 * one, bytes unchanged, into a new file that then takes the old one's place.
 */
final class MetricsHistory {
    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    /** More than a step over ten million samples takes; a longer line is none of ours. */
    private static final int MAX_LINE_BYTES = 256 << 20;

    private record Head(String kind, long step) {}

    private final long throughStep;
    private long steps;
    private long lastStep;
    private long lastEvaluation = -1;

    private MetricsHistory(long throughStep) {
        this.throughStep = throughStep;
    }

    /** Keeps the lines of steps up to {@code throughStep}, and returns what is amiss with them. */
    static List<String> cutBack(Path file, long throughStep) throws IOException {
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        MetricsHistory history = new MetricsHistory(throughStep);
        List<String> remarks = new ArrayList<>();
        try (FileChannel channel = FileChannel.open(
                        temporary,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.TRUNCATE_EXISTING);
                OutputStream kept = new BufferedOutputStream(Channels.newOutputStream(channel))) {
            if (Files.exists(file)) {
                history.copy(file, kept).ifPresent(remarks::add);
            }
            kept.flush();
            channel.force(true);
        }
        Storage.move(temporary, file);
        if (history.steps < throughStep) {
            remarks.add("%s has lines of %d steps only, where the run has done %d"
                    .formatted(file, history.steps, throughStep));
        }
        return List.copyOf(remarks);
    }

    private Optional<String> copy(Path file, OutputStream kept) throws IOException {
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            long number = 1;
            for (Optional<byte[]> line = line(in); line.isPresent(); line = line(in), number++) {
                Optional<Head> head = head(line.get());
                if (head.isEmpty()) {
                    return lastStep < throughStep
                            ? Optional.of("%s line %d is no line of metrics; it and all after it are dropped"
                                    .formatted(file, number))
                            : Optional.empty();
                }
                if (belongs(head.get())) {
                    kept.write(line.get());
                    kept.write('\n');
                }
            }
        }
        return Optional.empty();
    }

    /** Whether the line is of a step that counts and was not seen yet. */
    private boolean belongs(Head head) {
        if (head.step > throughStep) {
            return false;
        } else if (head.kind.equals("step") && head.step > lastStep) {
            lastStep = head.step;
            steps++;
            return true;
        } else if (head.kind.equals("eval") && head.step > lastEvaluation) {
            lastEvaluation = head.step;
            return true;
        }
        return false;
    }

    /** The next line without its end; empty where none is left, or the last one has no end and so is torn. */
    private static Optional<byte[]> line(InputStream in) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int next = in.read(); next >= 0; next = in.read()) {
            if (next == '\n') {
                return Optional.of(line.toByteArray());
            } else if (line.size() == MAX_LINE_BYTES) {
                return Optional.empty();
            }
            line.write(next);
        }
        return Optional.empty();
    }

    /** Kind and step of a line that is one JSON object; empty where it is not. */
    private static Optional<Head> head(byte[] line) throws IOException {
        String kind = "";
        long step = -1;
        try (JsonParser json = JSON.createParser(line)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                return Optional.empty();
            }
            for (String field = json.nextFieldName(); field != null; field = json.nextFieldName()) {
                JsonToken value = json.nextToken();
                if (field.equals("kind") && value == JsonToken.VALUE_STRING) {
                    kind = json.getText();
                } else if (field.equals("step") && value == JsonToken.VALUE_NUMBER_INT) {
                    step = json.getLongValue();
                }
                json.skipChildren();
            }
            boolean whole = json.currentToken() == JsonToken.END_OBJECT && json.nextToken() == null;
            return whole && step >= 0 && !kind.isEmpty() ? Optional.of(new Head(kind, step)) : Optional.empty();
        } catch (JsonProcessingException e) {
            return Optional.empty();
        }
    }
}
