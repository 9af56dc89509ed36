// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_16LE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class RunFileTest {
    private static final String GOOD = "model.path = model, data.train.path = train.jsonl\n";

    @TempDir
    Path folder;

    private Path recipes;
    private Path here;

    @BeforeEach
    void makeFolders() throws IOException {
        recipes = Files.createDirectory(folder.resolve("recipes"));
        here = Files.createDirectory(folder.resolve("here"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.path", "data.train.path", "data.eval.path", "data.tokenizer.path", "run.dir"})
    void aBlankPathIsNotTheCurrentFolder(String key) {
        assertThat(refused(GOOD + key + " = \" \"")).hasMessageContaining(key + " is empty: give a path, or null");
    }

    @Test
    void aFileThatIsNoTextIsRefusedWithoutItsBytes() throws IOException {
        byte[][] contents = {GOOD.getBytes(UTF_16LE), "# caf\u00e9".getBytes(ISO_8859_1), {'P', 'A', 'R', '1', 0, 1}};
        for (byte[] content : contents) {
            Path file = Files.write(recipes.resolve("my.conf"), content);
            assertThatThrownBy(() -> new RunFile(file, here).resolve(List.of(), Optional.empty()))
                    .isInstanceOf(FaultException.class)
                    .hasMessage(file + " is no text in UTF-8: name a run's configuration, RUN.conf");
        }
    }

    @Test
    void aFileThatIsNestedTooDeeplyIsRefused() {
        assertThat(refused("a = " + "[".repeat(200_000))).hasMessageContaining("my.conf is nested too deeply");
    }

    @Test
    void aBlankRunDirIsRefused() throws IOException {
        Path file = Files.writeString(recipes.resolve("my.conf"), GOOD);

        assertThat(catchThrowableOfType(
                        FaultException.class,
                        () -> new RunFile(file, here).resolve(List.of(), Optional.of(Path.of("")))))
                .hasMessageContaining("--run-dir is empty: give a path");
    }

    @Test
    void aCycleOfIncludesIsToldInOneShortLine() throws IOException {
        Files.writeString(recipes.resolve("other.conf"), "include \"my.conf\"");
        String message = refused("include \"other.conf\"\n" + GOOD).fault().message();

        assertThat(message)
                .isEqualTo("include \"my.conf\": %s would include itself".formatted(recipes.resolve("my.conf")));
    }

    @Test
    void aFileMayBeIncludedTwiceWhereItIsNoCycle() throws IOException {
        Files.writeString(recipes.resolve("model.conf"), "model.path = model");
        Files.writeString(recipes.resolve("other.conf"), "include \"model.conf\"");

        assertThat(resolved("include \"other.conf\"\ninclude \"model.conf\"\ndata.train.path = t.jsonl")
                        .getString("model.path"))
                .isEqualTo(recipes.resolve("model").toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
                    optimiser.learning-rate = 0.1 | optimiser.learning-rate (my.conf:2): there is no such key, the nearest is optimizer.learning-rate
                    optimizer.learning_rate = 0.1 | optimizer.learning_rate (my.conf:2): there is no such key, the nearest is optimizer.learning-rate
                    run.stepz = 5                 | run.stepz (my.conf:2): there is no such key, the nearest is run.steps
                    steps = 5                     | steps (my.conf:2): there is no such key, the nearest is run.steps
                    train { path = x }            | train.path (my.conf:2): there is no such key, the nearest is data.train.path
                    optimizer = adamw             | optimizer = adamw (my.conf:2): is a section, set one of its keys, such as optimizer.beta1
                    run = null                    | run = null (my.conf:2): is a section, set one of its keys, such as run.dir
                    precision { a = 1 }           | precision.a (my.conf:2): there is nothing below the key precision, which takes a value itself
                    model.adapter.rnak = 4        | model.adapter.rnak (my.conf:2): there is no such key, the nearest is model.adapter.rank
                    run.steps = 0                 | run.steps = 0: must be at least 1, or null so that run.epochs decides
                    run.steps = many              | run.steps = many: must be a whole number
                    run.seed = 1.5                | run.seed = 1.5: must be a whole number
                    run.epochs = -1               | run.epochs = -1.0: must be more than 0 and at most 1000000
                    run.progress-timeout = 30     | run.progress-timeout = 30: must be a duration with its unit, such as 30 minutes
                    model.initialize = maybe      | model.initialize = maybe: must be one of pretrained, random
                    model.adapter = lora          | model.adapter = lora (my.conf:2): is a section, set one of its keys, such as model.adapter.alpha
                    model.adapter.rank = 4        | model.adapter.rank is set, but model.adapter.type = none: make it lora, or leave this out
                    model.adapter { type = lora, rank = 0 } | model.adapter.rank = 0: must be a whole number from 1 to 65536
                    model.adapter { type = lora, path = a, rank = 4 } | model.adapter.rank is set, but the folder model.adapter.path says it: leave this out
                    model.freeze = ["a{"]         | model.freeze = a{: a brace must belong to a range such as {0..3}
                    model.path = null             | model.path is not set: give a path
                    data.train.path = null        | data.train.path is not set: give a file of rows or a folder, or let data.generate.task = reverse-words make examples
                    data.malformed-rows = drop    | data.malformed-rows = drop: must be one of fail, skip
                    data.global-batch = 0         | data.global-batch = 0: must be 1 to 1048576
                    parallel.workers = 0          | parallel.workers = 0: must be from 1 to 1024
                    precision = fp8               | precision = fp8: must be one of fp32, bf16, fp16, bf16-true
                    fp8.scaling = block           | fp8.scaling = block: must be one of none, tensor, row
                    fp8.scaling = tensor          | fp8.scaling = tensor: needs precision = bf16 or bf16-true, of which FP8 is made, not fp32
                    fp8.exclude-layers = [0]      | fp8.exclude or fp8.exclude-layers is set, but fp8.scaling = none: make it tensor or row, or leave them out
                    parallel.device = gpu         | parallel.device = gpu: must be one of auto, cpu, cuda, cuda-shared
                    parallel.memory-fraction = 0  | parallel.memory-fraction = 0.0: must be above 0 and at most 1
                    parallel { device = cpu, memory-fraction = 0.5 } | parallel.memory-fraction = 0.5: is of a GPU's memory, and the CPU computes here; must be 1
                    parallel.device = cpu, tf32 = true | tf32 = true: is a way in which GPUs multiply, and the CPU computes here; must be false
                    tf32 = true, precision = bf16 | tf32 = true: only precision = fp32 has products that it makes faster, and precision is bf16; must be false
                    optimizer.type = adagrad      | optimizer.type = adagrad: must be one of adamw, adam, sgd, lion
                    optimizer.momentum = 0.9      | optimizer.momentum = 0.9: optimizer.type = adamw does not read it, only sgd does
                    optimizer.step-every = 9      | optimizer.step-every = 9: optimizer.schedule = cosine does not read it, only step does
                    optimizer.groups = [{}]       | optimizer.groups[0].match = null: must be a list
                    optimizer.groups = [{ match = ["**.bias"], decay = 0 }] | optimizer.groups[0].decay: there is no such key, there are learning-rate-factor, match, weight-decay
                    optimizer.groups = [{ match = ["a{"] }] | optimizer.groups[0].match: a{: a brace must belong to a range such as {0..3}
                    checkpoint.keep = 0           | checkpoint.keep = 0: must be at least 1
                    metrics.samples = none        | metrics.samples = none: must be one of indices, digest
                    """)
    void aMistakeIsToldOnceWithWhatWouldBeRight(String mistake, String problem) {
        FaultException fault = refused(GOOD + mistake);

        assertThat(fault.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID);
        assertThat(fault.fault().message()).isEqualTo(problem);
    }

    @Test
    void theMistakesOfAllSectionsAreToldAtOnceAndEachOnce() {
        FaultException fault = refused("""
                optimiser { learning-rate = 1, epsilon = 1 }
                run { seed = x, stepz = 1 }
                precision = fp8
                """, "run.epochs=none", "nonsense", "data.global-batch=0");

        assertThat(fault.fault().message().lines())
                .containsExactlyInAnyOrder(
                        "nonsense: must be key=value, such as run.steps=100",
                        "optimiser.learning-rate (my.conf:1): there is no such key, the nearest is"
                                + " optimizer.learning-rate",
                        "optimiser.epsilon (my.conf:1): there is no such key, the nearest is optimizer.epsilon",
                        "run.stepz (my.conf:2): there is no such key, the nearest is run.steps",
                        "run.seed = x: must be a whole number",
                        "run.epochs = none: must be a number",
                        "data.global-batch = 0: must be 1 to 1048576",
                        "data.train.path is not set: give a file of rows or a folder, or let"
                                + " data.generate.task = reverse-words make examples",
                        "model.path is not set: give a path",
                        "precision = fp8: must be one of fp32, bf16, fp16, bf16-true");
    }

    @Test
    void aValueThatCannotBeReadHidesNoOtherMistakeOfItsSection() {
        assertThat(refused("model.path = m", "optimizer.schedule=stair", "optimizer.learning-rate=-1")
                        .fault()
                        .message())
                .contains("optimizer.schedule = stair: must be one of")
                .contains("optimizer.learning-rate = -1.0: must be 0 or above");
    }

    @Test
    void theCommandLineStandsOverTheFileAndTheFileOverTheDefaults() {
        Config config = resolved(GOOD + "run.steps = 5, run.seed = 6", "run.steps=7", "optimizer.learning-rate=2e-3");

        assertThat(config.getLong("run.steps")).isEqualTo(7);
        assertThat(config.getLong("run.seed")).isEqualTo(6);
        assertThat(config.getDouble("optimizer.learning-rate")).isEqualTo(0.002);
        assertThat(config.getDouble("optimizer.clip-norm")).isEqualTo(1.0);
        assertThat(config.getIsNull("data.eval.path")).isTrue();
    }

    @Test
    void aListOnTheCommandLineNeedsNoQuotes() {
        Config config = resolved(GOOD, "model.adapter.type=lora", "model.adapter.targets=[q_proj, v_proj]");

        assertThat(config.getStringList("model.adapter.targets")).containsExactly("q_proj", "v_proj");
    }

    @Test
    void nullOnTheCommandLineUnsetsAKey() {
        assertThat(resolved(GOOD + "run.steps = 5", "run.steps=null").hasPath("run.steps"))
                .isFalse();
    }

    @Test
    void pathsOfTheFileAreRelativeToItAndPathsOfTheCommandLineToTheCurrentFolder() {
        Config config = resolved(
                "model.path = ../models/a, data.train.path = /data/t.jsonl, data.eval.path = e.jsonl",
                "data.eval.path=my data/held out: {2024}.jsonl",
                "data.tokenizer.path=007");

        assertThat(config.getString("model.path")).isEqualTo(folder + "/models/a");
        assertThat(config.getString("data.train.path")).isEqualTo("/data/t.jsonl");
        assertThat(config.getString("data.eval.path")).isEqualTo(here + "/my data/held out: {2024}.jsonl");
        assertThat(config.getString("data.tokenizer.path")).isEqualTo(here + "/007");
    }

    @Test
    void theRunDirectoryIsNamedAfterTheFileUnlessSomeoneNamesIt() throws IOException {
        Path file = write(GOOD);
        RunFile run = new RunFile(file, here);

        assertThat(run.resolve(List.of(), Optional.empty()).dir()).isEqualTo(here.resolve("runs/my"));
        assertThat(run.resolve(List.of("run.dir=b"), Optional.empty()).dir()).isEqualTo(here.resolve("b"));
        assertThat(run.resolve(List.of("run.dir=b"), Optional.of(Path.of("c"))).dir())
                .isEqualTo(here.resolve("c"));
        write(GOOD + "run.dir = d");
        assertThat(run.resolve(List.of(), Optional.empty()).dir()).isEqualTo(recipes.resolve("d"));
    }

    @Test
    void theTextThatTravelsIsReadBackAsTheSameConfiguration() throws IOException {
        RunConf first = new RunFile(write(GOOD), here).resolve(List.of("run.steps=3"), Optional.empty());
        write(first.text());
        RunConf second = new RunFile(recipes.resolve("my.conf"), folder).resolve(List.of(), Optional.empty());

        assertThat(second).isEqualTo(first);
    }

    @Test
    void keysMayReferToOthersEvenToOnesThatAnotherLayerSets() {
        Config config =
                resolved(GOOD + "checkpoint.every = ${run.steps}, data.generate.seed = ${run.seed}", "run.steps=9");

        assertThat(config.getInt("checkpoint.every")).isEqualTo(9);
        assertThat(config.getInt("data.generate.seed")).isEqualTo(42);
    }

    @Test
    void aReferenceToNothingIsRefusedWithItsLine() {
        FaultException fault = refused(GOOD + "checkpoint.every = ${run.stepz}");

        assertThat(fault.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID);
        assertThat(fault).hasMessageContaining("my.conf: 2").hasMessageContaining("run.stepz");
    }

    @Test
    void anIncludedFileHasItsOwnFolderForItsPaths() throws IOException {
        Path shared = Files.createDirectory(recipes.resolve("shared"));
        Files.writeString(shared.resolve("model.conf"), "model.path = tiny");

        assertThat(resolved("include \"shared/model.conf\"\ndata.train.path = t.jsonl")
                        .getString("model.path"))
                .isEqualTo(shared + "/tiny");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "include \"http://localhost:1/x.conf\"",
                "include url(\"http://localhost:1/x.conf\")",
                "include url(\"file:///etc/hostname\")",
                "include classpath(\"chorale-defaults.conf\")",
                "include \"chorale-defaults.conf\"",
                "include \"missing.conf\"",
                "include \"my.conf\""
            })
    void onlyLocalFilesThatExistAreIncluded(String include) {
        FaultException fault = refused(include + "\n" + GOOD);

        assertThat(fault.fault().code()).isEqualTo(FaultCode.FILE_MALFORMED);
        assertThat(fault).hasMessageContaining("include");
    }

    @Test
    void aSyntaxErrorNamesFileAndLine() {
        FaultException fault = refused("model.path = a\nrun {\n  steps = 5\n");

        assertThat(fault.fault().code()).isEqualTo(FaultCode.FILE_MALFORMED);
        assertThat(fault.getMessage()).startsWith(recipes + "/my.conf: 4: ");
    }

    @Test
    void aMissingFileIsRefusedWithItsName() {
        RunFile run = new RunFile(Path.of("nowhere.conf"), here);
        FaultException fault =
                catchThrowableOfType(FaultException.class, () -> run.resolve(List.of(), Optional.empty()));

        assertThat(fault.fault().code()).isEqualTo(FaultCode.FILE_MISSING);
        assertThat(fault).hasMessageContaining(here + "/nowhere.conf does not exist");
    }

    @Test
    void aFileOfDataIsNotTakenForAConfiguration() {
        FaultException fault = refused(" ".repeat((int) RunFile.MAX_BYTES + 1));

        assertThat(fault.fault().code()).isEqualTo(FaultCode.FILE_MALFORMED);
        assertThat(fault).hasMessageContaining("at most 1048576");
    }

    private Config resolved(String text, String... assignments) {
        try {
            RunConf conf = new RunFile(write(text), here).resolve(List.of(assignments), Optional.empty());
            return ConfigFactory.parseString(conf.text());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private FaultException refused(String text, String... assignments) {
        return catchThrowableOfType(FaultException.class, () -> resolved(text, assignments));
    }

    private Path write(String text) throws IOException {
        return Files.writeString(recipes.resolve("my.conf"), text);
    }
}
