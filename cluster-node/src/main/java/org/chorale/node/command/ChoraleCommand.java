// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import ch.qos.logback.classic.Level;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.tensor.device.Device;
import org.chorale.training.shard.Precision;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ScopeType;

/** All commands of the program, with their options and what {@code --help} says of them. */
@Command(
        name = "chorale",
        description = "Trains Hugging Face language models on the JVM.",
        mixinStandardHelpOptions = true,
        subcommands = {
            CertsCommand.class,
            DataCommand.class,
            DoctorCommand.class,
            NodeCommand.class,
            NodesCommand.class,
            RunsCommand.class,
            StatusCommand.class,
            StopCommand.class,
            SubmitCommand.class
        },
        versionProvider = Version.class,
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "Examples:",
            "  chorale train deploy/recipes/quickstart.conf",
            "  chorale inspect runs/quickstart",
            "",
            "Exit codes: 0 done, 1 failed or differs, 2 wrong input, 130 interrupted."
        })
public final class ChoraleCommand {
    private static final String JSON = "--json";
    private static final int USAGE_COLUMNS = 100;

    private final Console console;

    @Option(
            names = "--stacktrace",
            scope = ScopeType.INHERIT,
            description = "Print where in the program an error arose.")
    private boolean stackTrace;

    enum LogLevel {
        ERROR,
        WARN,
        INFO,
        DEBUG,
        TRACE
    }

    private ChoraleCommand(Console console) {
        this.console = console;
    }

    /** Carries out one command line, and says with which code the process ends. */
    public static int run(Console console, String... arguments) {
        ChoraleCommand chorale = new ChoraleCommand(console);
        boolean json = Arrays.asList(arguments).contains(JSON);
        return new CommandLine(chorale)
                .setOut(new PrintWriter(console.out(), true, StandardCharsets.UTF_8))
                .setErr(new PrintWriter(console.err(), true, StandardCharsets.UTF_8))
                .setUsageHelpWidth(USAGE_COLUMNS)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler((e, args) -> chorale.reportMisuse(e, json))
                .setExecutionExceptionHandler(
                        (e, command, parsed) -> chorale.errors(json).report(e))
                .execute(arguments);
    }

    @Command(
            name = "train",
            description = "Trains as RUN.conf says, or goes on where the run was stopped.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "Paths in RUN.conf are relative to the file, paths in key=value to the current folder.",
                "Ctrl-C finishes the step and writes a checkpoint; the same command goes on from there.",
                "",
                "Examples:",
                "  chorale train deploy/recipes/quickstart.conf",
                "  chorale train my.conf --run-dir runs/second run.steps=500 optimizer.learning-rate=1e-4",
                "  chorale train my.conf --json | jq 'select(.event == \"step\").loss'",
                "  chorale train my.conf --profile 5"
            })
    int train(
            @Mixin RunFileParameters run,
            @Option(
                            names = "--run-dir",
                            paramLabel = "DIR",
                            description = "The run directory. Default: runs/ and the name of RUN.conf.")
                    Optional<Path> runDir,
            @Option(
                            names = "--profile",
                            paramLabel = "N",
                            description = "Write a timeline of N steps into the run directory's folder profile."
                                    + " As run.profile-steps=N.")
                    Optional<Integer> profile,
            @Option(names = JSON, description = "Print one JSON object per event.") boolean json,
            @Option(names = "--verbose", description = "Print a line per checkpoint too.") boolean verbose)
            throws InterruptedException {
        List<String> assignments = new ArrayList<>(run.assignments());
        profile.ifPresent(steps -> assignments.add("run.profile-steps=" + steps));
        return new Training(console, json, verbose).run(run.file(), assignments, runDir);
    }

    @Command(
            name = "verify",
            description = "Recomputes what a reference implementation computed, and compares.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "Prints a row per quantity: largest difference, tolerance, verdict. Exit code 1 if any differs.",
                "With --adapter, a folder named trained beside the golden file is what PEFT saved after its steps.",
                "With --precision bf16 or bf16-true, a row has the error against the reference's fp32, and no verdict:"
                        + " the L2 norm of the differences as a share of that of the reference's values, and the largest"
                        + " one.",
                "",
                "Examples:",
                "  chorale verify my-llama my-llama/golden.safetensors",
                "  chorale verify --adapter my-lora my-llama my-lora/golden.safetensors",
                "  chorale verify --device cuda --precision bf16 --json my-llama my-llama/golden.safetensors"
            })
    int verify(
            @Parameters(paramLabel = "MODEL_DIR", description = "A model folder.") Path model,
            @Parameters(paramLabel = "GOLDEN.safetensors", description = "The reference's inputs and results.")
                    Path golden,
            @Option(names = "--adapter", paramLabel = "DIR", description = "A PEFT folder: the model's adapter.")
                    Optional<Path> adapter,
            @Option(
                            names = "--device",
                            paramLabel = "DEVICE",
                            converter = DeviceConverter.class,
                            description = "cpu, or cuda:0 and so on, which is given ten times the tolerances.")
                    Optional<Device> device,
            @Option(
                            names = "--precision",
                            paramLabel = "FORMAT",
                            converter = PrecisionConverter.class,
                            description = "fp32, bf16 or bf16-true. Default: fp32.")
                    Optional<Precision> precision,
            @Option(names = JSON, description = "Print one JSON object.") boolean json) {
        return new Verification(console, json, precision.orElse(Precision.FP32), device.orElse(Device.CPU))
                .run(model, adapter, golden);
    }

    @Command(
            name = "eval",
            description = "Measures a model on held-out examples: loss, perplexity, exact matches.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "Exact matches are completions that greedy decoding gives token for token.",
                "",
                "Examples:",
                "  chorale eval runs/quickstart/export runs/quickstart/data/held-out.jsonl",
                "  chorale eval my-llama held-out.jsonl --sequence-tokens 2048 --json | jq .perplexity"
            })
    int eval(
            @Parameters(paramLabel = "MODEL_DIR", description = "A model folder, such as a run's export.") Path model,
            @Parameters(paramLabel = "DATA", description = "Held-out examples: whatever data.eval.path may be.")
                    Path data,
            @Option(
                            names = "--tokenizer",
                            paramLabel = "DIR",
                            description = "A folder with tokenizer.json. Default: MODEL_DIR.")
                    Optional<Path> tokenizer,
            @Option(names = "--adapter", paramLabel = "DIR", description = "A PEFT folder with a LoRA adapter.")
                    Optional<Path> adapter,
            @Option(names = "--micro-batch", paramLabel = "N", description = "Sequences per forward pass. Default: 8.")
                    Optional<Integer> microBatch,
            @Option(
                            names = "--sequence-tokens",
                            paramLabel = "N",
                            description = "Longest sequence in tokens; what does not fit is cut. Default: 512.")
                    Optional<Integer> sequenceTokens,
            @Option(names = "--precision", description = "As the key precision of a run. Default: fp32.")
                    Optional<String> precision,
            @Option(names = JSON, description = "Print one JSON object.") boolean json)
            throws InterruptedException {
        Map<String, Object> keys = new LinkedHashMap<>();
        tokenizer.ifPresent(folder -> keys.put("data.tokenizer.path", folder));
        adapter.ifPresent(folder -> keys.putAll(Map.of("model.adapter.type", "lora", "model.adapter.path", folder)));
        microBatch.ifPresent(sequences -> keys.put("data.micro-batch", sequences));
        sequenceTokens.ifPresent(tokens -> keys.put("data.sequence-tokens", tokens));
        precision.ifPresent(format -> keys.put("precision", format));
        return new Measurement(console, json, model, data, keys).run();
    }

    @Command(
            name = "precompute",
            description = "Computes what the reference of a run on preferences makes of all its answers.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "Runs that name the file (loss.preference.precomputed) need no reference in memory. It runs on one device,"
                        + " as parallel.device says. What the file has already is not computed again; one that was"
                        + " interrupted, or whose data have changed, is completed.",
                "",
                "Examples:",
                "  chorale precompute dpo.conf loss.preference.precomputed=pairs.logps",
                "  chorale train dpo.conf loss.preference.precomputed=pairs.logps"
            })
    int precompute(
            @Mixin RunFileParameters run, @Option(names = JSON, description = "Print one JSON object.") boolean json)
            throws IOException {
        return new Precomputation(console, json).run(run.file(), run.assignments());
    }

    @Command(
            name = "inspect",
            description = "Describes a safetensors file, a model folder, a checkpoint or a run directory.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "Of a checkpoint every byte is read and compared with its manifest; exit code 1 if it is not whole.",
                "",
                "Examples:",
                "  chorale inspect model.safetensors",
                "  chorale inspect runs/quickstart/checkpoints/step-001200 --json | jq .whole"
            })
    int inspect(
            @Parameters(paramLabel = "PATH", description = "What to look at.") Path path,
            @Option(names = JSON, description = "Print one JSON object.") boolean json) {
        return new Inspection(console, json).run(path);
    }

    @Command(
            name = "tokenize",
            description = "Tokenizes lines of JSON from standard input, as training does.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "A line is {\"text\": ...} or {\"messages\": [...], \"tools\": [...], \"add_generation_prompt\": true}.",
                "Answers, in order and at once, {\"ids\": [...], \"text\": ..., \"trained\": [...]}: the text as"
                        + " rendered, and a 1 for each token that a loss counts. A line that fails is answered with"
                        + " {\"error\": ...}, and the exit code at the end is 1. \"trained\" is null where a generation prompt was"
                        + " asked for and the template does not let it be told.",
                "",
                "Example:",
                "  echo '{\"text\": \"Hello\"}' | chorale tokenize my-llama"
            })
    int tokenize(
            @Parameters(paramLabel = "MODEL_DIR", description = "A folder with tokenizer.json, or the file itself.")
                    Path model,
            @Option(
                            names = "--no-special-tokens",
                            description = "Leave out what the tokenizer adds to a text. It adds nothing to messages.")
                    boolean noSpecialTokens,
            @Option(
                            names = "--template",
                            paramLabel = "FILE",
                            description = "A chat template. Default: the tokenizer's own.")
                    Optional<Path> template)
            throws IOException {
        return new Tokenization(console, !noSpecialTokens).run(model, template, System.in);
    }

    @Command(
            name = "export",
            description = "Writes a run's newest whole checkpoint, or its best, as a folder that Transformers loads.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "Weights keep the dtype that each has in the model's own folder; drawn ones are written in fp32.",
                "A run that trained an adapter gives a folder that PEFT loads, and with --merge a whole model.",
                "",
                "Examples:",
                "  chorale export runs/quickstart my-model",
                "  chorale export runs/quickstart my-best-model --best --dtype bf16",
                "  chorale export my-adapter my-merged-model --merge --model my-llama"
            })
    int export(
            @Parameters(
                            paramLabel = "RUN_DIR",
                            description = "A run directory, whose run may be going on, or an adapter's folder.")
                    Path run,
            @Parameters(paramLabel = "OUT", description = "A folder that does not exist yet.") Path out,
            @Option(
                            names = "--best",
                            description = "The checkpoint of the best evaluation; the run needs checkpoint.keep-best.")
                    boolean best,
            @Option(names = "--merge", description = "Merge the adapter into the model, and write that.") boolean merge,
            @Option(
                            names = "--model",
                            paramLabel = "MODEL_DIR",
                            description = "The model of an adapter's folder. Default: what the adapter names.")
                    Optional<Path> model,
            @Option(
                            names = "--dtype",
                            paramLabel = "DTYPE",
                            description = "Write all weights in one of ${COMPLETION-CANDIDATES}.")
                    Optional<Export.Dtype> dtype,
            @Option(names = JSON, description = "Print one JSON object.") boolean json) {
        return new Export(console, json).run(run, out, new Export.Options(best, merge, model, dtype));
    }

    @Command(
            name = "generate",
            description = "Writes what a model says after a prompt, or talks with it.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "The likeliest token is taken, unless --temperature, --top-k, --top-p or --seed says otherwise.",
                "On a terminal and without --prompt it is a conversation; /exit or Ctrl-D ends it.",
                "",
                "Examples:",
                "  chorale generate my-llama --prompt 'Once upon a time' --temperature 0.8 --seed 1",
                "  chorale generate my-llama --adapter runs/tuned/export --chat --prompt - < question.txt"
            })
    int generate(
            @Parameters(paramLabel = "MODEL_DIR", description = "A model folder with its tokenizer.") Path model,
            @Mixin GenerationOptions options,
            @Option(names = JSON, description = "Print one JSON object.") boolean json) {
        return new Generation(console, json, options).run(model);
    }

    @Option(
            names = "--log-level",
            scope = ScopeType.INHERIT,
            paramLabel = "LEVEL",
            defaultValue = "WARN",
            description = "What is logged to stderr: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    void setLogLevel(LogLevel level) {
        if (LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME) instanceof ch.qos.logback.classic.Logger root) {
            root.setLevel(Level.toLevel(level.name()));
        }
    }

    private int reportMisuse(CommandLine.ParameterException misuse, boolean json) {
        errors(json).report(Misuse.fault(misuse));
        return ExitCode.WRONG_INPUT;
    }

    Console console() {
        return console;
    }

    private ErrorReport errors(boolean json) {
        return new ErrorReport(console, json, stackTrace);
    }
}
