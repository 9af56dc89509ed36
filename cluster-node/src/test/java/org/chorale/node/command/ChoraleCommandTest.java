// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ChoraleCommandTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Shell shell = new Shell();

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "train",
                "verify",
                "eval",
                "precompute",
                "inspect",
                "export",
                "generate",
                "certs",
                "doctor",
                "submit",
                "status",
                "stop",
                "runs"
            })
    void everyCommandExplainsItselfWithAnExample(String command) {
        assertThat(shell.run(folder, command, "--help")).isZero();
        assertThat(shell.out())
                .contains("Usage: chorale " + command)
                .contains("--json")
                .contains("--stacktrace")
                .contains("Example")
                .contains("  chorale " + command + " ");
        assertThat(shell.err()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "train",
                "verify",
                "eval",
                "precompute",
                "inspect",
                "tokenize",
                "export",
                "generate",
                "data preview",
                "data stats",
                "certs",
                "doctor",
                "node",
                "submit",
                "status",
                "stop",
                "runs"
            })
    void noParagraphOfHelpIsBrokenTwice(String command) {
        assertThat(shell.run(folder, (command + " --help").split(" "))).isZero();
        assertThat(shell.out())
                .as("a word that did not fit into its line, before the paragraph goes on")
                .doesNotContainPattern("(?m)^(?!Examples?:)\\S+\\R(?=\\S)");
        assertThat(shell.out()).as("an example in two lines").doesNotContainPattern("(?m)^  chorale .*\\R\\S");
        assertThat(shell.out()).as("a parameter in two lines").doesNotContainPattern("(?m)^[^.]*RUN\\.$");
    }

    @Test
    void theProgramListsItsCommandsAndExitCodes() {
        assertThat(shell.run(folder, "--help")).isZero();
        assertThat(shell.out())
                .contains(
                        "train",
                        "verify",
                        "eval",
                        "precompute",
                        "inspect",
                        "export",
                        "generate",
                        "certs",
                        "doctor",
                        "node",
                        "nodes",
                        "submit",
                        "status",
                        "stop",
                        "runs",
                        "130 interrupted");
    }

    @Test
    void theVersionIsThatOfTheBuild() {
        assertThat(shell.run(folder, "--version")).isZero();
        assertThat(shell.out()).matches("(?s)Chorale \\d+\\.\\d+.*\\RJava 1\\d.*, libtorch \\d+\\.\\d+.*\\R");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    some | --slots some: must be auto, or a number of workers
                    0    | --slots 0: must be auto, or from 1 to 256
                    """)
    void aNodeSaysWhatSlotsItCanHaveBeforeItLooksForGpus(String slots, String message) {
        assertThat(shell.run(folder, "node", "--slots", slots)).isEqualTo(2);
        assertThat(shell.err()).contains("[COMMAND_INVALID] " + message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "nothing", textBlock = """
                    nothing            | Missing required subcommand
                    tain x.conf        | there is no command tain, the nearest is train
                    data previw x      | there is no command previw, the nearest is preview
                    train              | Missing required parameter: 'RUN.conf'
                    train x.conf --foo | there is no option --foo, the nearest is
                    train x.conf --jsn | there is no option --jsn, the nearest is --json
                    train x.conf --rundir=x | there is no option --rundir, the nearest is --run-dir
                    verify a           | Missing required parameter: 'GOLDEN.safetensors'
                    verify a b --precision fp16 | must be one of fp32, bf16, bf16-true, not fp16
                    eval a             | Missing required parameter: 'DATA'
                    eval a b --micro-batch x | Invalid value for option '--micro-batch'
                    inspect            | Missing required parameter: 'PATH'
                    export a b c       | Unmatched argument at index 3: 'c'
                    certs --host a     | Missing required option: '--out=OUT'
                    certs --out c      | Missing required option: '--host=HOST'
                    inspect x --log-level LOUD | Invalid value for option '--log-level'
                    """)
    void aCommandLineThatCannotBeReadIsWrongInput(String line, String message) {
        assertThat(shell.run(folder, line == null ? new String[0] : line.split(" ")))
                .isEqualTo(2);
        assertThat(shell.err())
                .startsWith("error [COMMAND_INVALID] ")
                .contains(message)
                .contains("--help");
        assertThat(shell.out()).isEmpty();
    }

    @Test
    void everyProblemOfAConfigurationIsALineWithItsCode() throws IOException {
        Files.writeString(folder.resolve("my.conf"), "model.path = m, data.train.path = t, optimiser.beta1 = 1");

        assertThat(shell.run(folder, "train", "my.conf", "run.steps=none")).isEqualTo(2);
        assertThat(shell.err().lines())
                .containsExactly(
                        "error [CONFIG_INVALID] optimiser.beta1 (my.conf:1): there is no such key, the nearest is"
                                + " optimizer.beta1",
                        "error [CONFIG_INVALID] run.steps = none: must be a whole number");
        assertThat(folder.resolve("runs")).doesNotExist();
    }

    @Test
    void withJsonAnErrorIsAnObjectOnStdoutToo() throws IOException {
        assertThat(shell.run(folder, "train", "nowhere.conf", "--json")).isEqualTo(2);

        JsonNode error = MAPPER.readTree(shell.out());
        assertThat(error.get("event").asText()).isEqualTo("error");
        assertThat(error.get("code").asText()).isEqualTo("FILE_MISSING");
        assertThat(error.get("kind").asText()).isEqualTo("USER");
        assertThat(error.get("message").asText()).contains("nowhere.conf does not exist");
        assertThat(shell.err()).startsWith("error [FILE_MISSING] ");
    }

    @Test
    void aUsersMistakeHasAStackTraceOnRequestOnly() {
        assertThat(shell.run(folder, "train", "nowhere.conf")).isEqualTo(2);
        assertThat(shell.err()).doesNotContain("\tat ");

        assertThat(shell.run(folder, "train", "nowhere.conf", "--stacktrace")).isEqualTo(2);
        assertThat(shell.err()).contains("\tat org.chorale.");
    }

    @Test
    void aSafetensorsFileIsDescribedInWordsAndInJson() throws IOException {
        Path file = writeSafetensors("w.safetensors");

        assertThat(shell.run(folder, "inspect", "w.safetensors")).isZero();
        assertThat(shell.out()).contains("made by = hand", "tensor bytes  24 bytes", "F32", "[2, 3]", "layer.weight");

        assertThat(shell.run(folder, "inspect", "w.safetensors", "--json")).isZero();
        JsonNode json = MAPPER.readTree(shell.out());
        assertThat(json.get("path").asText()).isEqualTo(file.toString());
        assertThat(json.get("elements").asLong()).isEqualTo(6);
        assertThat(json.at("/metadata/made by").asText()).isEqualTo("hand");
        assertThat(json.at("/tensors/0/name").asText()).isEqualTo("layer.weight");
        assertThat(json.at("/tensors/0/dtype").asText()).isEqualTo("F32");
        assertThat(json.at("/tensors/0/shape").toString()).isEqualTo("[2,3]");
        assertThat(json.at("/tensors/0/bytes").asLong()).isEqualTo(24);
    }

    @Test
    void aModelFolderIsDescribedWithItsConfigAndItsWeights() throws IOException {
        writeSafetensors("model.safetensors");
        Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"llama\", \"vocab_size\": 512}");

        assertThat(shell.run(folder, "inspect", ".")).isZero();
        assertThat(shell.out())
                .contains("family        llama", "vocab_size", "512", "weights       1 file", "layer.weight");

        assertThat(shell.run(folder, "inspect", ".", "--json")).isZero();
        JsonNode json = MAPPER.readTree(shell.out());
        assertThat(json.get("kind").asText()).isEqualTo("model");
        assertThat(json.at("/config/vocab_size").asInt()).isEqualTo(512);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    nowhere       | FILE_MISSING   | does not exist
                    empty         | FILE_MALFORMED | is no model folder (config.json), adapter (adapter_config.json), checkpoint (manifest.pb) or run (run.conf)
                    pickle.bin    | FILE_MALFORMED | pickle
                    broken.safetensors | FILE_MALFORMED | broken.safetensors
                    """)
    void whatCannotBeInspectedIsRefusedByName(String path, String code, String words) throws IOException {
        Files.createDirectory(folder.resolve("empty"));
        Files.writeString(folder.resolve("pickle.bin"), "x");
        Files.writeString(folder.resolve("broken.safetensors"), "x");

        assertThat(shell.run(folder, "inspect", path)).isEqualTo(2);
        assertThat(shell.err()).startsWith("error [" + code + "] ").contains(words);
    }

    @Test
    void onlyARunWithACheckpointIsExported() throws IOException {
        assertThat(shell.run(folder, "export", "nowhere", "out")).isEqualTo(2);
        assertThat(shell.err()).contains("error [FILE_MISSING]").contains("is no run directory");

        Files.writeString(folder.resolve("run.conf"), "model.path = x");
        Files.createDirectory(folder.resolve("checkpoints"));
        assertThat(shell.run(folder, "export", ".", "out")).isEqualTo(2);
        assertThat(shell.err()).contains("has no checkpoint yet");

        Files.createDirectory(folder.resolve("out"));
        assertThat(shell.run(folder, "export", ".", "out")).isEqualTo(2);
        assertThat(shell.err()).contains("error [OUTPUT_REFUSED]").contains("out exists already");
    }

    @Test
    void anExportIntoAFileIsRefusedBeforeTheRunIsLookedAt() throws IOException {
        Files.writeString(folder.resolve("file"), "x");

        assertThat(shell.run(folder, "export", "nowhere", "file/model")).isEqualTo(2);
        assertThat(shell.err())
                .startsWith("error [OUTPUT_REFUSED] " + folder.resolve("file/model") + " cannot be made")
                .contains(folder.resolve("file") + " is no folder");
    }

    @Test
    void aFamilyThatIsNotTrainedIsDescribedWithThatRemark() throws IOException {
        Path model = Files.createDirectory(folder.resolve("model"));
        Files.writeString(model.resolve("config.json"), "{\"model_type\": \"gpt2\"}");

        assertThat(shell.run(folder, "inspect", "model")).isZero();
        assertThat(shell.out())
                .contains("family        gpt2", "this release does not train this family; it trains gemma2");
    }

    private Path writeSafetensors(String name) throws IOException {
        byte[] header = ("{\"__metadata__\":{\"made by\":\"hand\"},"
                        + "\"layer.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}")
                .getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(Long.BYTES + header.length + 24).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(header.length).put(header);
        return Files.write(folder.resolve(name), file.array());
    }
}
