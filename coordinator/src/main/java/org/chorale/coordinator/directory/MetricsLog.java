// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.chorale.coordinator.directory.MetricsSettings.Samples;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.SourceShare;
import org.chorale.proto.wire.StepReport;

/**
 * Appends to {@code metrics.jsonl}: an object per step and per evaluation. Numbers have all their digits, so that two
 * runs can be compared to the last bit; a number that is not finite is null.
 */
public final class MetricsLog implements AutoCloseable {
    private static final JsonFactory JSON = new JsonFactory();
    private static final double TERA = 1e12;

    /** What goes between the braces of a line. */
    private interface Fields {
        void write(JsonGenerator json) throws IOException;
    }

    private final Path file;
    private final FileChannel channel;
    private final Samples samples;
    private final List<String> remarks;

    private MetricsLog(Path file, FileChannel channel, MetricsSettings settings, List<String> remarks) {
        this.file = file;
        this.channel = channel;
        this.samples = settings.samples();
        this.remarks = remarks;
    }

    static MetricsLog start(Path file, MetricsSettings settings) {
        return Storage.at(file, () -> {
            Storage.replace(file, new byte[0]);
            return append(file, settings, List.of());
        });
    }

    static MetricsLog resume(Path file, long step, MetricsSettings settings) {
        return Storage.at(file, () -> append(file, settings, MetricsHistory.cutBack(file, step)));
    }

    @SuppressWarnings("MustBeClosedChecker") // closed with the log
    private static MetricsLog append(Path file, MetricsSettings settings, List<String> remarks) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
        return new MetricsLog(file, channel, settings, remarks);
    }

    /** What is amiss with the lines that were there; empty unless somebody else touched the file. */
    public List<String> remarks() {
        return remarks;
    }

    /** Writes a step's line. */
    public void append(StepReport step) {
        line(json -> {
            json.writeStringField("kind", "step");
            json.writeNumberField("step", step.getStep());
            number(json, "epoch", step.getEpoch());
            number(json, "loss", step.getLossNats());
            number(json, "grad_norm", step.getGradNorm());
            number(json, "learning_rate", step.getLearningRate());
            json.writeNumberField("tokens", step.getTokens());
            json.writeNumberField("padding_tokens", step.getPaddingTokens());
            json.writeNumberField("trained_tokens", step.getTrainedTokens());
            number(json, "tokens_per_second", step.getTokens() / step.getSeconds());
            number(json, "seconds", step.getSeconds());
            if (step.getFlops() > 0) {
                number(json, "tflops_per_second", step.getFlops() / step.getSeconds() / TERA);
            }
            if (step.getFlops() > 0 && step.getPeakFlopsPerSecond() > 0) {
                number(json, "mfu", step.getFlops() / step.getSeconds() / step.getPeakFlopsPerSecond());
            }
            if (step.getLossScale() > 0) {
                number(json, "loss_scale", step.getLossScale());
            }
            if (step.getSkipped()) {
                json.writeBooleanField("skipped", true);
            }
            if (step.getOverflow()) {
                json.writeBooleanField("overflow", true);
            }
            if (step.getTokensCut() > 0) {
                json.writeNumberField("tokens_cut", step.getTokensCut());
            }
            metrics(json, step.getMetricsMap());
            sources(json, step.getSourcesList());
            samples(json, step.getSamplesList());
        });
    }

    /** Writes an evaluation's line. */
    public void append(EvaluationReport evaluation) {
        line(json -> {
            json.writeStringField("kind", "eval");
            json.writeNumberField("step", evaluation.getStep());
            number(json, "loss", evaluation.getLossNats());
            number(json, "perplexity", Math.exp(evaluation.getLossNats()));
            json.writeNumberField("examples", evaluation.getExamples());
            json.writeNumberField("tokens", evaluation.getTokens());
            json.writeNumberField("trained_tokens", evaluation.getTrainedTokens());
            if (evaluation.getJudged() > 0) {
                number(json, "exact_match", (double) evaluation.getExact() / evaluation.getJudged());
                json.writeNumberField("judged", evaluation.getJudged());
            }
            if (evaluation.getBest()) {
                json.writeBooleanField("best", true);
            }
            metrics(json, evaluation.getMetricsMap());
            number(json, "seconds", evaluation.getSeconds());
        });
    }

    /** Returns once all lines are on the disk. */
    public void sync() {
        Storage.at(file, () -> {
            channel.force(true);
            return file;
        });
    }

    @Override
    public void close() {
        Storage.at(file, () -> {
            channel.close();
            return file;
        });
    }

    /** One write per line: a crash can tear the last line only. */
    private void line(Fields fields) {
        Storage.at(file, () -> {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            try (JsonGenerator json = JSON.createGenerator(line)) {
                json.writeStartObject();
                fields.write(json);
                json.writeEndObject();
            }
            line.write('\n');
            Storage.writeFully(channel, line.toByteArray());
            return file;
        });
    }

    private static void number(JsonGenerator json, String name, double value) throws IOException {
        if (Double.isFinite(value)) {
            json.writeNumberField(name, value);
        } else {
            json.writeNullField(name);
        }
    }

    /** In the order of their names, so that equal steps have equal lines. */
    private static void metrics(JsonGenerator json, Map<String, Double> metrics) throws IOException {
        if (metrics.isEmpty()) {
            return;
        }
        json.writeObjectFieldStart("metrics");
        for (Map.Entry<String, Double> metric : new TreeMap<>(metrics).entrySet()) {
            number(json, metric.getKey(), metric.getValue());
        }
        json.writeEndObject();
    }

    /** In the order of {@code index/sources.json}. */
    private static void sources(JsonGenerator json, List<SourceShare> sources) throws IOException {
        if (sources.isEmpty()) {
            return;
        }
        json.writeObjectFieldStart("sources");
        long[] examples = sources.stream().mapToLong(SourceShare::getExamples).toArray();
        long[] tokens = sources.stream().mapToLong(SourceShare::getTokens).toArray();
        json.writeFieldName("examples");
        json.writeArray(examples, 0, examples.length);
        json.writeFieldName("tokens");
        json.writeArray(tokens, 0, tokens.length);
        json.writeEndObject();
    }

    private void samples(JsonGenerator json, List<Long> indices) throws IOException {
        if (samples == Samples.DIGEST) {
            json.writeStringField("samples", digest(indices));
            return;
        }
        json.writeArrayFieldStart("samples");
        for (long index : indices) {
            json.writeNumber(index);
        }
        json.writeEndArray();
    }

    private static String digest(List<Long> indices) {
        ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(indices.size(), Long.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        indices.forEach(bytes::putLong);
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes.array());
            return "sha256:" + HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
