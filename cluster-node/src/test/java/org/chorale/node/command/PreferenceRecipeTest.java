// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The recipe of preferences, from rows to rewards. */
final class PreferenceRecipeTest {
    private static final Path RECIPES = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy",
            "recipes");

    @TempDir
    Path folder;

    private final Shell shell = new Shell();

    @Test
    void theMarginOfRewardsGrowsOnHeldOutPairsToo() throws IOException {
        train("dpo");
        List<JsonNode> evaluations = lines("dpo", "eval");
        JsonNode first = evaluations.get(0).get("metrics");
        JsonNode last = evaluations.get(evaluations.size() - 1).get("metrics");
        assertThat(first.get("rewards.margin").asDouble()).isZero();
        assertThat(last.get("rewards.margin").asDouble()).isGreaterThan(0.5);
        assertThat(last.get("rewards.accuracy").asDouble()).isEqualTo(1);
        assertThat(lines("dpo", "step").get(0).get("metrics").fieldNames())
                .toIterable()
                .containsExactly(
                        "logps.chosen",
                        "logps.rejected",
                        "rewards.accuracy",
                        "rewards.chosen",
                        "rewards.margin",
                        "rewards.rejected");
        assertThat(shell.out()).contains("accuracy 100.0 %").contains("margin ");
        assertThat(folder.resolve("dpo/export/adapter_model.safetensors")).exists();
    }

    @Test
    void twoWorkersLearnWhatOneLearnsOfPairsAndTheWholeModelToo() throws IOException {
        String[] whole = {
            "model.adapter.type=none", "model.adapter.rank=null", "model.adapter.alpha=null", "run.steps=6"
        };
        train("one", whole);
        train("two", with(whole, "parallel.workers=2"));
        List<JsonNode> alone = lines("one", "step");
        List<JsonNode> together = lines("two", "step");
        assertThat(together).hasSameSizeAs(alone).hasSize(6);
        for (int i = 0; i < alone.size(); i++) {
            assertThat(together.get(i).get("samples")).isEqualTo(alone.get(i).get("samples"));
            assertThat(together.get(i).get("loss").asDouble())
                    .isCloseTo(alone.get(i).get("loss").asDouble(), within(1e-4));
        }
        assertThat(folder.resolve("two/export/model.safetensors")).exists();
        assertThat(shell.out()).contains("918,656 parameters"); // the reference's are not the model's
    }

    @Test
    void answersMayBeConversationsWhichTheTemplateWrites() throws IOException {
        String row = """
                {"prompt": [{"role": "user", "content": "Is it %1$d?"}],
                 "chosen": [{"role": "assistant", "content": "Yes, it is %1$d."}],
                 "rejected": [{"role": "assistant", "content": "No."}]}""".replace("\n", "");
        String rows = IntStream.range(0, 8).mapToObj(row::formatted).collect(Collectors.joining("\n"));
        Path file = Files.writeString(folder.resolve("chats.jsonl"), rows);
        train(
                "chats",
                "data.train.path=" + file,
                "data.eval.path=null",
                "data.chat.template=" + RECIPES.resolve("chat/template.jinja"),
                "run.steps=4");
        assertThat(lines("chats", "step")
                        .get(3)
                        .get("metrics")
                        .get("rewards.margin")
                        .asDouble())
                .isPositive();
    }

    @Test
    void oddsRatiosNeedNoReferenceAndRatingsNoPairs() throws IOException {
        train("orpo", "loss.preference.type=orpo", "run.steps=12");
        String ratings = RECIPES.resolve("preference/ratings.jsonl").toString();
        train(
                "kto",
                "loss.preference.type=kto",
                "data.train.path=" + ratings,
                "data.eval.path=" + ratings,
                "parallel.workers=2");
        List<JsonNode> odds = lines("orpo", "step");
        assertThat(odds.get(11).get("loss").asDouble())
                .isLessThan(odds.get(0).get("loss").asDouble());
        List<JsonNode> rated = lines("kto", "eval");
        assertThat(rated.get(rated.size() - 1).get("loss").asDouble()).isLessThan(0.4);
        assertThat(rated.get(rated.size() - 1).get("metrics").has("kl")).isTrue();
    }

    @Test
    void rowsOfAnotherKindAreToldWithTheirLine() {
        int code = shell.run(
                folder, with(command("wrong"), "data.train.path=" + RECIPES.resolve("preference/ratings.jsonl")));
        assertThat(code).isEqualTo(2);
        assertThat(shell.err())
                .contains("ratings.jsonl:1: the row is no preference that loss.preference.type learns from; must have"
                        + " two answers, chosen and rejected");
    }

    private void train(String name, String... keys) {
        assertThat(shell.run(folder, with(command(name), keys))).as(shell::err).isZero();
    }

    private static String[] command(String name) {
        return new String[] {
            "train", RECIPES.resolve("preference.conf").toString(), "--run-dir", name, "parallel.isolation=in-process",
        };
    }

    private static String[] with(String[] some, String... more) {
        return Stream.concat(Arrays.stream(some), Arrays.stream(more)).toArray(String[]::new);
    }

    private List<JsonNode> lines(String run, String kind) throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(folder.resolve(run).resolve("metrics.jsonl"))) {
            JsonNode json = mapper.readTree(line);
            if (json.get("kind").asText().equals(kind)) {
                lines.add(json);
            }
        }
        return lines;
    }
}
