// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.junit.jupiter.api.Test;

final class JsonViewTest {
    @Test
    void everyEventIsOneObjectOnOneLine() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        JsonView view = new JsonView(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        Events.run(3).forEach(view::show);
        view.show(Events.step(4, Double.NaN));

        List<JsonNode> objects = new ArrayList<>();
        for (String line : bytes.toString(StandardCharsets.UTF_8).lines().toList()) {
            objects.add(new ObjectMapper().readTree(line));
        }
        assertThat(objects.stream().map(json -> json.get("event").asText()))
                .containsExactly(
                        "started", "evaluation", "step", "step", "step", "evaluation", "checkpoint", "ended", "step");
        assertThat(objects.get(2).get("loss").asDouble()).isEqualTo(6.0);
        assertThat(objects.get(2).get("tokens_per_second").asDouble()).isEqualTo(2_000);
        assertThat(objects.get(5).get("exact").asLong()).isEqualTo(189);
        assertThat(objects.get(7).get("outcome").asText()).isEqualTo("finished");
        assertThat(objects.get(7).get("tokens").asLong()).isEqualTo(3_000);
        assertThat(objects.get(8).get("loss").isNull()).isTrue();
        assertThat(objects.get(8).get("skipped").asBoolean()).isTrue();
    }

    @Test
    void whatMattersToProgramsIsInTheObjectsAndThatWorkGoesOnIsNot() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        JsonView view = new JsonView(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        view.show(Events.working(1, 2));
        assertThat(bytes.size()).isZero();
        RunEvent.Builder step = Events.step(1, 2).toBuilder();
        step.getStepBuilder().setLossScale(65536).putMetrics("loss.a", 0.5).setPaddingTokens(7);
        RunEvent.Builder evaluation = Events.evaluation(1, 2, 1000).toBuilder();
        evaluation.getEvaluationBuilder().setBest(true).setTokens(11);
        List.of(step.build(), evaluation.build(), Events.endedEarly(10)).forEach(view::show);

        List<JsonNode> objects = new ArrayList<>();
        for (String line : bytes.toString(StandardCharsets.UTF_8).lines().toList()) {
            objects.add(new ObjectMapper().readTree(line));
        }
        assertThat(objects.get(0).get("loss_scale").asDouble()).isEqualTo(65536);
        assertThat(objects.get(0).at("/metrics/loss.a").asDouble()).isEqualTo(0.5);
        assertThat(objects.get(0).get("padding_tokens").asLong()).isEqualTo(7);
        assertThat(objects.get(1).get("perplexity").isNull())
                .as("beyond a double")
                .isTrue();
        assertThat(objects.get(1).get("best").asBoolean()).isTrue();
        assertThat(objects.get(1).get("tokens").asLong()).isEqualTo(11);
        assertThat(objects.get(2).at("/best/step").asLong()).isEqualTo(7);
        assertThat(objects.get(2).at("/best/path").asText()).isEqualTo("/runs/a/checkpoints/step-7");
    }

    @Test
    void theEndOfARunThatFailedCarriesItsFault() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        new JsonView(new PrintStream(bytes, true, StandardCharsets.UTF_8))
                .show(RunEvent.newBuilder()
                        .setEnded(RunEnded.newBuilder()
                                .setOutcome(RunEnded.Outcome.FAILED)
                                .setFaultCode("STORAGE_FAILED")
                                .setMessage("no space left"))
                        .build());

        JsonNode ended = new ObjectMapper().readTree(bytes.toString(StandardCharsets.UTF_8));
        assertThat(ended.get("outcome").asText()).isEqualTo("failed");
        assertThat(ended.get("fault_code").asText()).isEqualTo("STORAGE_FAILED");
        assertThat(ended.get("message").asText()).isEqualTo("no space left");
    }
}
