// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.chorale.coordinator.directory.MetricsSettings.Samples;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.SourceShare;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MetricsLogTest {
    private static final MetricsSettings INDICES = new MetricsSettings(Samples.INDICES);
    private static final StepReport STEP = StepReport.newBuilder()
            .setStep(7)
            .setEpoch(0.3)
            .setLossNats(1.0 / 3)
            .setGradNorm(1e-30)
            .setLearningRate(2e-4)
            .setTokens(100)
            .setPaddingTokens(28)
            .setTrainedTokens(40)
            .setSeconds(0.25)
            .addAllSamples(List.of(5L, 3L))
            .build();

    @TempDir
    Path dir;

    private Path file;

    @BeforeEach
    void nameFile() {
        file = dir.resolve("metrics.jsonl");
    }

    @Test
    void aStepsLineHasEveryNumberWithAllItsDigits() throws IOException {
        write(INDICES, STEP);
        assertThat(lines())
                .containsExactly("{\"kind\":\"step\",\"step\":7,\"epoch\":0.3,\"loss\":0.3333333333333333,"
                        + "\"grad_norm\":1.0E-30,\"learning_rate\":2.0E-4,\"tokens\":100,\"padding_tokens\":28,"
                        + "\"trained_tokens\":40,\"tokens_per_second\":400.0,\"seconds\":0.25,\"samples\":[5,3]}");
    }

    @Test
    void aWorkersSpeedIsHeldAgainstItsPeakWhereBothAreKnown() throws IOException {
        StepReport counted = STEP.toBuilder().setFlops(5e14).build();
        write(
                INDICES,
                STEP,
                counted,
                counted.toBuilder().setPeakFlopsPerSecond(8e15).build());

        assertThat(lines().get(0)).doesNotContain("tflops_per_second", "mfu");
        assertThat(lines().get(1)).contains("\"tflops_per_second\":2000.0,").doesNotContain("mfu");
        assertThat(lines().get(2)).contains("\"tflops_per_second\":2000.0,\"mfu\":0.25,");
    }

    @Test
    void aSkippedStepSaysSoAndItsLossIsNull() throws IOException {
        write(
                INDICES,
                STEP.toBuilder()
                        .setLossNats(Double.NaN)
                        .setGradNorm(Double.POSITIVE_INFINITY)
                        .setSkipped(true)
                        .setTokensCut(9)
                        .build());
        JsonNode line = new ObjectMapper().readTree(lines().get(0));
        assertThat(line.get("loss").isNull()).isTrue();
        assertThat(line.get("grad_norm").isNull()).isTrue();
        assertThat(line.get("skipped").booleanValue()).isTrue();
        assertThat(line.get("tokens_cut").longValue()).isEqualTo(9);
    }

    @Test
    void lossTermsMetricsAndTheLossScaleAreInTheLineWhereThereAreAny() throws IOException {
        write(
                INDICES,
                STEP.toBuilder()
                        .putMetrics("regularizer", 0.5)
                        .putMetrics("cross-entropy", 1.0 / 3)
                        .putMetrics("accuracy", Double.NaN)
                        .setLossScale(65536)
                        .setSkipped(true)
                        .setOverflow(true)
                        .build());
        assertThat(lines().get(0))
                .contains("\"loss_scale\":65536.0,\"skipped\":true,\"overflow\":true")
                .contains("\"metrics\":{\"accuracy\":null,\"cross-entropy\":0.3333333333333333,\"regularizer\":0.5}");
    }

    @Test
    void whatIsOfEachOfSeveralSourcesIsInTheLine() throws IOException {
        write(
                INDICES,
                STEP,
                STEP.toBuilder()
                        .addSources(SourceShare.newBuilder().setExamples(2).setTokens(100))
                        .addSources(SourceShare.getDefaultInstance())
                        .build());
        assertThat(lines().get(0)).doesNotContain("sources");
        assertThat(lines().get(1)).contains("\"sources\":{\"examples\":[2,0],\"tokens\":[100,0]},\"samples\"");
    }

    @Test
    void theDigestOfSamplesIsTakenOverLittleEndianLongsInOrder() throws IOException {
        write(new MetricsSettings(Samples.DIGEST), STEP);
        // printf '\5\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0' | sha256sum
        assertThat(lines().get(0))
                .endsWith("\"samples\":\"sha256:61fb79739b35801d1e963e0bb59e69e3b7788d3cf480a79eb9f7f8304e02a3b1\"}");
    }

    @Test
    void anEvaluationsLineHasPerplexityAndTheShareOfExactAnswers() throws IOException {
        try (MetricsLog log = MetricsLog.start(file, INDICES)) {
            EvaluationReport report = EvaluationReport.newBuilder()
                    .setStep(7)
                    .setExamples(8)
                    .setLossNats(0)
                    .setExact(1)
                    .setJudged(4)
                    .build();
            log.append(report);
            log.append(report.toBuilder()
                    .setJudged(0)
                    .setLossNats(1000)
                    .setBest(true)
                    .build());
        }
        ObjectMapper json = new ObjectMapper();
        JsonNode line = json.readTree(lines().get(0));
        assertThat(line.get("kind").textValue()).isEqualTo("eval");
        assertThat(line.get("perplexity").doubleValue()).isEqualTo(1);
        assertThat(line.get("exact_match").doubleValue()).isEqualTo(0.25);
        assertThat(line.has("best")).isFalse();
        JsonNode other = json.readTree(lines().get(1));
        assertThat(other.has("exact_match")).isFalse();
        assertThat(other.get("perplexity").isNull()).as("beyond a double").isTrue();
        assertThat(other.get("best").booleanValue()).isTrue();
    }

    @Test
    void aNewRunStartsWithNoLines() throws IOException {
        write(INDICES, STEP);
        MetricsLog.start(file, INDICES).close();
        assertThat(file).isEmptyFile();
    }

    @Test
    void aResumedRunKeepsTheLinesUpToItsStepByteForByte() throws IOException {
        try (MetricsLog log = MetricsLog.start(file, INDICES)) {
            evaluation(log, 0);
            step(log, 1);
            step(log, 2);
            evaluation(log, 2);
            step(log, 3);
            evaluation(log, 3);
        }
        List<String> before = lines();
        try (MetricsLog log = MetricsLog.resume(file, 2, INDICES)) {
            assertThat(log.remarks()).isEmpty();
            assertThat(lines()).isEqualTo(before.subList(0, 4));
            step(log, 3);
        }
        assertThat(lines()).isEqualTo(before.subList(0, 5));
    }

    @Test
    void aTornLastLineIsDropped() throws IOException {
        try (MetricsLog log = MetricsLog.start(file, INDICES)) {
            step(log, 1);
        }
        List<String> whole = lines();
        for (String torn : List.of("{\"kind\":\"step\",\"st", "{\"kind\":\"step\",\"step\":1}", "\0\0\0\n")) {
            Files.writeString(file, torn, StandardOpenOption.APPEND);
            MetricsLog log = MetricsLog.resume(file, 1, INDICES);
            log.close();
            assertThat(lines()).isEqualTo(whole);
            assertThat(log.remarks()).isEmpty();
        }
    }

    @Test
    void aStepThatStandsThereTwiceIsKeptOnce() throws IOException {
        write(
                INDICES,
                STEP.toBuilder().setStep(1).build(),
                STEP.toBuilder().setStep(1).build());
        MetricsLog.resume(file, 1, INDICES).close();
        assertThat(lines()).hasSize(1);
    }

    @Test
    void linesThatSomebodyDamagedAreReported() throws IOException {
        try (MetricsLog log = MetricsLog.start(file, INDICES)) {
            step(log, 1);
            Files.writeString(file, "oops\n", StandardOpenOption.APPEND);
            step(log, 2);
        }
        try (MetricsLog log = MetricsLog.resume(file, 2, INDICES)) {
            assertThat(log.remarks())
                    .containsExactly(
                            file + " line 2 is no line of metrics; it and all after it are dropped",
                            file + " has lines of 1 steps only, where the run has done 2");
        }
    }

    @Test
    void missingMetricsAreReportedAndBegunAnew() throws IOException {
        try (MetricsLog log = MetricsLog.resume(file, 2, INDICES)) {
            assertThat(log.remarks()).singleElement().asString().contains("lines of 0 steps only");
            step(log, 3);
        }
        assertThat(lines()).hasSize(1);
    }

    private void write(MetricsSettings settings, StepReport... steps) {
        try (MetricsLog log = MetricsLog.start(file, settings)) {
            for (StepReport step : steps) {
                log.append(step);
            }
            log.sync();
        }
    }

    private static void step(MetricsLog log, long step) {
        log.append(STEP.toBuilder().setStep(step).build());
    }

    private static void evaluation(MetricsLog log, long step) {
        log.append(EvaluationReport.newBuilder().setStep(step).build());
    }

    private List<String> lines() throws IOException {
        return Files.readAllLines(file);
    }
}
