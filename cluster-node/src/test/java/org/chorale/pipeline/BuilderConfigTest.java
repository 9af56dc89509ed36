// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.order.WhenExhausted;
import org.chorale.data.row.RowFilter;
import org.chorale.data.source.RowFormat;
import org.chorale.node.config.RunFile;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the builders of data and adapters say is what a run's file says, key for key. */
final class BuilderConfigTest {
    private static final ModelFactory MODEL = ModelFactory.fromPretrained(Path.of("m"));

    @TempDir
    Path folder;

    /** Keeps rows whose column has few characters. */
    public static final class ShortRows implements RowFilter {
        private final int most;

        public ShortRows(Config config) {
            most = config.hasPath("most") ? config.getInt("most") : 100;
        }

        @Override
        public boolean keeps(Map<String, @Nullable Object> row) {
            return String.valueOf(row.get("prompt")).length() <= most;
        }
    }

    @Test
    void mixedSourcesWithAllThatIsDoneToTheirRows() throws IOException {
        String type = ShortRows.class.getName();
        Data data = Data.mixed(
                        Source.of(file("a.parquet"))
                                .weight(0.7)
                                .format(RowFormat.PROMPT_COMPLETION)
                                .columns(Map.of("prompt", "question", "completion", "the answer"))
                                .filter("lang == 'en'")
                                .transform(ShortRows.class, ConfigFactory.parseString("most = 9"))
                                .transform(ShortRows.class)
                                .map("prompt", "'Q: ' + question")
                                .map("completion", "answer")
                                .select("prompt", "completion"),
                        Source.of(file("hub")).weight(0.3).subset("en").split("train"))
                .exhausted(WhenExhausted.STOP)
                .evalShare(0.02);

        assertSays(MODEL, data, """
                data.train {
                  mix = weighted
                  exhausted = stop
                  sources = [
                    { path = a.parquet, weight = 0.7, format = prompt-completion
                      columns { prompt = question, completion = "the answer" }
                      filter = "lang == 'en'"
                      transform = [{ type = "%1$s", config { most = 9 } }, { type = "%1$s", config {} }]
                      map { prompt = "'Q: ' + question", completion = answer }
                      select = [prompt, completion] }
                    { path = hub, weight = 0.3, subset = en, split = train }
                  ]
                }
                data.eval.share = 0.02
                """.formatted(type));
    }

    @Test
    void concatenatedSourcesAndHeldOutOnes() throws IOException {
        Data data = Data.concatenated(Source.of(file("a.jsonl")), Source.of(file("texts")))
                .eval(Source.of(file("e.csv")).filter("n < 3"), Source.of(file("f.jsonl")));

        assertSays(MODEL, data, """
                data.train.sources = [{ path = a.jsonl }, { path = texts }]
                data.eval.sources = [{ path = e.csv, filter = "n < 3" }, { path = f.jsonl }]
                """);
        assertSays(MODEL, Data.path(file("s/*.jsonl.zst")).evalRows(7), """
                data.train.path = "s/*.jsonl.zst"
                data.eval.rows = 7
                """);
    }

    @Test
    void everythingOfANewAdapter() throws IOException {
        Lora lora = Lora.rank(16)
                .alpha(32)
                .dropout(0.1)
                .rsLora()
                .dora()
                .gaussian()
                .named("first")
                .on("q_proj", "k_proj", "o_proj")
                .except("o_proj")
                .layers(0, 2)
                .rankPattern(Map.of("q_proj", 4, "layers.2.k_proj", 8))
                .alphaPattern(Map.of("q_proj", 8.5))
                .modulesToSave("lm_head");

        assertSays(MODEL.adapter(lora), Data.jsonl(file("a.jsonl")), """
                model.adapter {
                  type = lora, rank = 16, alpha = 32, dropout = 0.1, rslora = true, dora = true, name = first
                  initialize = gaussian, layers = [0, 2], excludes = [o_proj], modules-to-save = [lm_head]
                  targets = [q_proj, k_proj, o_proj]
                  rank-pattern { q_proj = 4, "layers.2.k_proj" = 8 }
                  alpha-pattern { q_proj = 8.5 }
                }
                data.train.path = a.jsonl
                """);
    }

    @Test
    void principalPartsAnAdapterThatIsThereAndItsTwoLearningRates() throws IOException {
        Data data = Data.jsonl(file("a.jsonl"));
        assertSays(MODEL.adapter(Lora.rank(4).pissa(8).onMatching(".*_proj")), data, """
                model.adapter { type = lora, rank = 4, initialize = pissa, pissa-iterations = 8, target-pattern = ".*_proj" }
                data.train.path = a.jsonl
                """);
        assertSays(MODEL.adapter(Lora.from(file("peft")).named("second")), data, """
                model.adapter { type = lora, path = peft, name = second }
                data.train.path = a.jsonl
                """);
        assertThat(AdamW.learningRate(2e-4).loraPlusRatio(16).keys().config())
                .isEqualTo(ConfigFactory.parseString("optimizer { learning-rate = 2e-4, lora-plus-ratio = 16 }"));
    }

    @Test
    void aTransformSaysWhatTheFactoryWould() throws IOException {
        assertSays(
                MODEL.transform(ModelTransform.freeze("model.embed_tokens.*", "lm_head.*")),
                Data.jsonl(file("a.jsonl")),
                """
                model.freeze = ["model.embed_tokens.*", "lm_head.*"]
                data.train.path = a.jsonl
                """);
    }

    @Test
    void aRunThatTrainedAnAdapterIsNoModelAndSaysHowToGoOn() throws IOException {
        Path export = Files.createDirectories(folder.resolve("lora/export"));
        Files.createFile(export.resolve("adapter_config.json"));

        assertThatThrownBy(() -> ModelFactory.fromCheckpoint(folder.resolve("lora")))
                .hasMessageContaining(export + " holds an adapter and no model")
                .hasMessageContaining(".adapter(Lora.from(" + export + "))");
    }

    @Test
    void whatTheFileWouldRefuseTheBuilderRefusesToo() {
        Data weighed = Data.concatenated(Source.of(file("a.jsonl")).weight(2).filter("size("));

        assertThatThrownBy(() -> builder(MODEL, weighed).build())
                .hasMessageContaining(
                        "data.train.sources[0].weight = 2.0: is only read where data.train.mix = weighted")
                .hasMessageContaining("data.train.sources[0].filter = \"size(\": column 6: ");
    }

    private void assertSays(ModelFactory model, Data data, String lines) throws IOException {
        Path file = Files.writeString(
                folder.resolve("run.conf"),
                "model.path = \"%s\"%n%s".formatted(Path.of("m").toAbsolutePath(), lines));
        Config said = ConfigFactory.parseString(new RunFile(file, folder)
                .resolve(List.of(), Optional.of(folder.resolve("run")))
                .text());
        Config built = ConfigFactory.parseString(builder(model, data).build().configuration());

        assertThat(built.root()).isEqualTo(said.root());
    }

    private Pipeline.Builder builder(ModelFactory model, Data data) {
        return Pipeline.builder().model(model).data(data).outputDir(folder.resolve("run"));
    }

    private Path file(String name) {
        return folder.resolve(name);
    }
}
