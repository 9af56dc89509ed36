// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.chorale.proto.fault.FaultCode.CONFIG_INVALID;
import static org.chorale.proto.fault.FaultCode.DATA_EMPTY;
import static org.chorale.proto.fault.FaultCode.DATA_MALFORMED;
import static org.chorale.proto.fault.FaultCode.FILE_MALFORMED;
import static org.chorale.proto.fault.FaultCode.FILE_MISSING;
import static org.chorale.proto.fault.FaultCode.MODEL_MISMATCH;
import static org.chorale.proto.fault.FaultCode.MODEL_UNSUPPORTED;
import static org.chorale.proto.fault.FaultCode.NOT_FINITE;
import static org.chorale.proto.fault.FaultCode.RUN_DIRECTORY_TAKEN;
import static org.chorale.proto.fault.FaultCode.TOKENIZER_INVALID;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.proto.fault.FaultCode;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;

/** What bad input gets from {@code chorale train}: a run that would succeed, with one thing broken at a time. */
@Timeout(120)
final class BadInputTest {
    private static final String CONF = """
            model.path = model
            data { train.path = train.jsonl, global-batch = 4, micro-batch = 2, sequence-tokens = 32 }
            optimizer.learning-rate = 1.0e-3
            checkpoint.every = 1
            run.steps = 2
            """;

    private static final String CONFIG_JSON = """
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 512, "hidden_size": 16,
             "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
             "head_dim": 8, "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
             "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "tie_word_embeddings": false, "eos_token_id": 1}
            """;

    /** A model with weights, made once by a run of one step. */
    @TempDir
    static Path pretrained;

    @TempDir
    Path folder;

    private final Shell shell = new Shell();
    private final ListAppender<ILoggingEvent> log = new ListAppender<>();

    /** How a working folder is spoilt. */
    private interface Spoiling {
        void spoil(Path folder) throws IOException;
    }

    /**
     * A row of the table.
     *
     * @param what is wrong
     * @param assignments of the command line, separated by blanks
     * @param words that the message has: the file, key, row or rule
     */
    record Row(String what, Spoiling spoiling, String assignments, FaultCode code, List<String> words) {
        @Override
        public String toString() {
            return what;
        }
    }

    static Stream<Row> table() {
        return Stream.of(
                files(
                        "missing run file",
                        folder -> Files.delete(folder.resolve("my.conf")),
                        FILE_MISSING,
                        "my.conf does not exist"),
                files(
                        "run file with a syntax error",
                        folder -> Files.writeString(folder.resolve("my.conf"), "model {\n path = model\n"),
                        FILE_MALFORMED,
                        "my.conf: 3: "),
                keys("missing model folder", "model.path=nowhere", FILE_MISSING, "model.path = ", "/nowhere: does not"),
                keys("missing data", "data.train.path=no.jsonl", FILE_MISSING, "data.train.path = ", "/no.jsonl: does"),
                keys(
                        "file for a model folder",
                        "model.path=train.jsonl",
                        FILE_MISSING,
                        "/train.jsonl: is not a folder"),
                files("model without config.json", delete("config.json"), FILE_MISSING, "model/config.json"),
                files(
                        "config.json that is no JSON",
                        replace("config.json", "{\n nope}"),
                        FILE_MALFORMED,
                        "model/config.json: is not JSON",
                        "(line 2, column "),
                files(
                        "config.json that was cut off",
                        replace("config.json", "{"),
                        FILE_MALFORMED,
                        "config.json: is not JSON: Unexpected end-of-input: expected close marker for Object (line 1, "),
                files(
                        "unknown family",
                        edit("config.json", "\"llama\"", "\"bert\""),
                        MODEL_UNSUPPORTED,
                        "model/config.json",
                        "bert",
                        "llama"),
                files(
                        "setting of the family that is not supported",
                        edit("config.json", "silu", "relu"),
                        MODEL_UNSUPPORTED,
                        "model/config.json",
                        "hidden_act",
                        "relu"),
                files(
                        "weights of another shape than config.json says",
                        edit("config.json", "\"intermediate_size\": 32", "\"intermediate_size\": 64"),
                        MODEL_MISMATCH,
                        "/model: the weights are not what config.json asks for",
                        "mlp.up_proj.weight: has shape [32, 16], must be [64, 16]"),
                files(
                        "weights of a wrong dtype",
                        edit("model.safetensors", "\"F32\"", "\"I32\""),
                        MODEL_MISMATCH,
                        "/model: the weights are not what config.json asks for",
                        "has dtype I32, must be F32"),
                files("no weights", delete("model.safetensors"), FILE_MISSING, "/model", "model.safetensors"),
                files("pickle file only", BadInputTest::pickle, FILE_MALFORMED, "pytorch_model.bin", "pickle"),
                files(
                        "truncated safetensors file",
                        BadInputTest::truncate,
                        FILE_MALFORMED,
                        "model.safetensors",
                        "bytes"),
                files(
                        "index that leads out of its folder",
                        index("../../etc/passwd"),
                        FILE_MALFORMED,
                        "model.safetensors.index.json",
                        "../../etc/passwd"),
                files(
                        "index with a shard that is missing",
                        index("model-00002-of-00002.safetensors"),
                        FILE_MISSING,
                        "model-00002-of-00002.safetensors"),
                files("no tokenizer", delete("tokenizer.json"), TOKENIZER_INVALID, "model", "tokenizer.json"),
                files("malformed tokenizer", replace("tokenizer.json", "{"), TOKENIZER_INVALID, "model/tokenizer.json"),
                files(
                        "tokenizer without an end",
                        edit("config.json", "\"eos_token_id\": 1", "\"eos_token_id\": null"),
                        TOKENIZER_INVALID,
                        "model/tokenizer.json has no end-of-sequence token",
                        "eos_token_id"),
                files(
                        "tokenizer larger than the vocabulary",
                        smallVocabulary(),
                        TOKENIZER_INVALID,
                        "token ids up to 511",
                        "only 100 rows",
                        "data.tokenizer.path"),
                files("row that is no JSON", row("{\"prompt\": "), DATA_MALFORMED, "train.jsonl:3"),
                files("row without a text", row("{\"words\": \"x\"}"), DATA_MALFORMED, "train.jsonl:3", "prompt"),
                files("row with a number for a text", row("{\"text\": 5}"), DATA_MALFORMED, "train.jsonl:3", "text"),
                files(
                        "data without a row",
                        folder -> Files.writeString(folder.resolve("train.jsonl"), ""),
                        DATA_EMPTY,
                        "train.jsonl"),
                keys(
                        "mistyped key",
                        "optimizer.learning_rate=1",
                        CONFIG_INVALID,
                        "optimizer.learning_rate: there is no such key, the nearest is optimizer.learning-rate"),
                keys("wrong type", "run.seed=1.5", CONFIG_INVALID, "run.seed = 1.5: must be a whole number"),
                keys("value out of its range", "checkpoint.keep=0", CONFIG_INVALID, "checkpoint.keep = 0: must be at"),
                keys(
                        "several errors at once",
                        "run.stepz=5 run.epochs=none nonsense optimizer.beta1=1 data.global-batch=0 model.path=null",
                        CONFIG_INVALID,
                        "run.stepz: there is no such key, the nearest is run.steps",
                        "run.epochs = none: must be a number",
                        "nonsense: must be key=value",
                        "optimizer.beta1 = 1.0: must be from 0 to below 1",
                        "data.global-batch = 0: must be 1 to",
                        "model.path is not set"),
                keys(
                        "sequences longer than the context",
                        "data.sequence-tokens=65",
                        CONFIG_INVALID,
                        "data.sequence-tokens = 65: must be at most 64, the model's max_position_embeddings"),
                keys("adapter", "model.adapter=lora", CONFIG_INVALID, "model.adapter = lora: ", "is a section"),
                keys("precision", "precision=fp8", CONFIG_INVALID, "precision = fp8: ", "one of fp32, bf16, fp16"),
                keys("workers", "parallel.workers=0", CONFIG_INVALID, "parallel.workers = 0: must be from 1 to 1024"),
                files(
                        "run directory that is none",
                        folder -> Files.writeString(
                                Files.createDirectories(folder.resolve("runs/my"))
                                        .resolve("thesis.tex"),
                                "x"),
                        RUN_DIRECTORY_TAKEN,
                        "runs/my is no run directory",
                        "thesis.tex",
                        "--run-dir"));
    }

    @BeforeAll
    static void makeModel() throws IOException {
        Path recipe = Path.of(
                Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
                "deploy/recipes/quickstart/model");
        Files.createDirectory(pretrained.resolve("model"));
        Files.copy(recipe.resolve("tokenizer.json"), pretrained.resolve("model/tokenizer.json"));
        Files.writeString(pretrained.resolve("model/config.json"), CONFIG_JSON);
        Files.writeString(pretrained.resolve("train.jsonl"), rows());
        Files.writeString(pretrained.resolve("my.conf"), CONF);
        Shell shell = new Shell();
        assertThat(train(shell, pretrained, "run.steps=1", "model.initialize=random"))
                .as(shell::err)
                .isZero();
        Files.copy(
                pretrained.resolve("runs/my/export/model.safetensors"), pretrained.resolve("model/model.safetensors"));
    }

    @BeforeEach
    void makeFolder() throws IOException {
        Path model = Files.createDirectory(folder.resolve("model"));
        Path source = pretrained.resolve("model");
        for (String name : List.of("config.json", "tokenizer.json", "model.safetensors")) {
            Files.copy(source.resolve(name), model.resolve(name));
        }
        Files.writeString(folder.resolve("train.jsonl"), rows());
        Files.writeString(folder.resolve("my.conf"), CONF);
        log.start();
        rootLogger().addAppender(log);
    }

    @AfterEach
    void detachLog() {
        rootLogger().detachAppender(log);
    }

    @Test
    void withNothingBrokenTheRunSucceeds() {
        assertThat(train()).as(shell::err).isZero();
        assertThat(shell.err()).isEmpty();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("table")
    void badInputIsRefusedWithACodeAndTheWordsThatHelp(Row row) throws IOException {
        row.spoiling().spoil(folder);

        int exitCode = train(
                row.assignments().isEmpty() ? new String[0] : row.assignments().split(" "));

        assertThat(exitCode).as(shell::err).isEqualTo(ExitCode.WRONG_INPUT);
        assertRefused(row.code(), row.words());
    }

    @Test
    void malformedRowsAreLeftOutAndCountedOnRequest() throws IOException {
        Files.writeString(folder.resolve("train.jsonl"), "{\"prompt\": \n{\"text\": 5}\n" + rows());

        assertThat(train("data.malformed-rows=skip")).as(shell::err).isZero();
        assertThat(shell.out()).containsPattern("malformed rows skipped +2\\R");
    }

    @Test
    void anotherRunsDirectoryIsRefusedWithTheKeysThatDiffer() {
        assertThat(train()).as(shell::err).isZero();

        assertThat(train("run.seed=43", "data.micro-batch=4")).isEqualTo(ExitCode.WRONG_INPUT);
        assertRefused(
                RUN_DIRECTORY_TAKEN,
                List.of(
                        "runs/my belongs to a run with other settings",
                        "  run.seed: there 42, asked for 43",
                        "  data.micro-batch: there 2, asked for 4"));
    }

    @Test
    void aRunDirectoryInUseIsRefusedWithItsUser() {
        try (RunDirectory held = RunDirectory.open(folder.resolve("runs/my"), CONF)) {
            assertThat(train()).isEqualTo(ExitCode.WRONG_INPUT);
            assertRefused(
                    RUN_DIRECTORY_TAKEN,
                    List.of(
                            "runs/my is in use by process "
                                    + ProcessHandle.current().pid(),
                            "--run-dir"));
            assertThat(held.exported()).isFalse();
        }
        assertThat(train()).as("once it is free; %s", shell.err()).isZero();
    }

    @Test
    void dataThatChangedSinceTheRunBeganIsRefused() throws IOException {
        assertThat(train()).as(shell::err).isZero();
        Files.writeString(folder.resolve("train.jsonl"), rows() + "{\"text\": \"one more\"}\n");

        assertThat(train()).as(shell::out).isEqualTo(ExitCode.WRONG_INPUT);
        assertRefused(FaultCode.DATA_CHANGED, List.of("data.train.path"));
    }

    @Test
    void aLearningRateThatExplodesNamesStepAndSamplesAndTheRunDirectoryStaysUsable() throws IOException {
        String[] keys = {"optimizer.learning-rate=1e30", "run.steps=20", "run.non-finite-steps=2"};

        assertThat(train(keys)).as(shell::out).isEqualTo(ExitCode.WRONG_INPUT);
        assertRefused(NOT_FINITE, List.of("optimizer.learning-rate", "run.non-finite-steps"));
        assertThat(shell.err()).containsPattern("step \\d+, samples \\[\\d+, \\d+, \\d+, \\d+]: ");
        String first = shell.err();

        assertThat(shell.run(folder, "inspect", "runs/my")).as(shell::err).isZero();
        assertThat(shell.run(folder, "export", "runs/my", "exploded"))
                .as(shell::err)
                .isZero();
        assertThat(train(keys)).as("the same again").isEqualTo(ExitCode.WRONG_INPUT);
        assertThat(shell.err()).isEqualTo(first);
    }

    private static Row files(String what, Spoiling spoiling, FaultCode code, String... words) {
        return new Row(what, spoiling, "", code, List.of(words));
    }

    private static Row keys(String what, String assignments, FaultCode code, String... words) {
        return new Row(what, folder -> {}, assignments, code, List.of(words));
    }

    private static Spoiling delete(String name) {
        return folder -> Files.delete(folder.resolve("model").resolve(name));
    }

    private static Spoiling replace(String name, String contents) {
        return folder -> Files.writeString(folder.resolve("model").resolve(name), contents);
    }

    /** Replaces the first occurrence; of the same length in a safetensors file, whose header has a length. */
    private static Spoiling edit(String name, String from, String to) {
        return folder -> {
            Path file = folder.resolve("model").resolve(name);
            String text = Files.readString(file, ISO_8859_1);
            int at = text.indexOf(from);
            assertThat(at).as("%s in %s", from, file).isNotNegative();
            Files.writeString(file, text.substring(0, at) + to + text.substring(at + from.length()), ISO_8859_1);
        };
    }

    private static Spoiling smallVocabulary() {
        return folder -> {
            edit("config.json", "\"vocab_size\": 512", "\"vocab_size\": 100").spoil(folder);
            Files.writeString(folder.resolve("my.conf"), CONF + "model.initialize = random\n");
        };
    }

    private static Spoiling row(String malformed) {
        return folder -> {
            List<String> rows = rows().lines().toList();
            Files.writeString(
                    folder.resolve("train.jsonl"),
                    String.join("\n", rows.get(0), rows.get(1), malformed, rows.get(2)) + "\n");
        };
    }

    /** An index in which one tensor is in the shard and all others are where they are. */
    private static Spoiling index(String shard) {
        return folder -> {
            Path model = folder.resolve("model");
            Files.move(model.resolve("model.safetensors"), model.resolve("model-00001-of-00002.safetensors"));
            Files.writeString(model.resolve("model.safetensors.index.json"), """
                    {"metadata": {}, "weight_map": {
                      "model.embed_tokens.weight": "model-00001-of-00002.safetensors", "lm_head.weight": "%s"}}
                    """.formatted(shard));
        };
    }

    private static void pickle(Path folder) throws IOException {
        Path model = folder.resolve("model");
        Files.move(model.resolve("model.safetensors"), model.resolve("pytorch_model.bin"));
    }

    private static void truncate(Path folder) throws IOException {
        Path file = folder.resolve("model/model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length - 10));
    }

    private static String rows() {
        StringBuilder rows = new StringBuilder();
        for (String word : List.of("stone", "river", "cloud", "grass", "light", "sound", "plant", "metal")) {
            rows.append("{\"prompt\": \"Say: %s\", \"completion\": \" %s\"}\n".formatted(word, word));
        }
        return rows.toString();
    }

    /** Every line says its code or continues one that does, and nobody shows a user the inside of the program. */
    private void assertRefused(FaultCode code, List<String> words) {
        String said = shell.err();
        assertThat(said).contains(words);
        assertThat(said.lines())
                .isNotEmpty()
                .allSatisfy(line -> assertThat(line).matches("(error \\[" + code + "]| ) ?\\S.*"));
        assertThat(said).doesNotContain("\tat ", "Exception");
        assertThat(log.list)
                .as("what is logged")
                .allSatisfy(event -> assertThat(event.getThrowableProxy()).isNull());
    }

    private int train(String... assignments) {
        return train(shell, folder, assignments);
    }

    private static int train(Shell shell, Path folder, String... assignments) {
        String[] arguments = Stream.concat(
                        Stream.of("train", "my.conf", "parallel.isolation=in-process"), Arrays.stream(assignments))
                .toArray(String[]::new);
        return shell.run(folder, arguments);
    }

    private static Logger rootLogger() {
        return (Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME);
    }
}
