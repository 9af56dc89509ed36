// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.coordinator.plan.ParallelSettings.Isolation;
import org.chorale.coordinator.plan.RunSettings;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.node.progress.PlainView;
import org.chorale.node.progress.RunView;
import org.chorale.node.run.LocalCast;
import org.chorale.node.run.LocalRun;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.RunEnded;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Component;
import org.chorale.training.pipeline.ComponentConfig;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.PipelineConfig;
import org.chorale.training.pipeline.PostProcessor;
import org.chorale.training.pipeline.PreProcessor;

/**
 * A training run, put together in Java: {@code batch → preprocessors → model → postprocessors → loss}.
 *
 * <pre>{@code
 * Pipeline.builder()
 *     .model(ModelFactory.fromPretrained(path))
 *     .data(Data.jsonl(rows).tokenizer(tokenizer).batchSize(8))
 *     .loss(CompositeLoss.of(new CrossEntropyLoss(), 1.0, new HiddenRegularizer(0.01), 0.1))
 *     .optimizer(AdamW.learningRate(2e-4)).outputDir(out).epochs(3)
 *     .build().run();
 * }</pre>
 */
public final class Pipeline {
    private static final String ISOLATION = "parallel.isolation";

    private final RunConf conf;
    private final LocalComponents local;
    private final Data data;
    private final RunView view;
    private final boolean isolationGiven;

    private Pipeline(RunConf conf, LocalComponents local, Data data, RunView view, boolean isolationGiven) {
        this.conf = conf;
        this.local = local;
        this.data = data;
        this.view = view;
        this.isolationGiven = isolationGiven;
    }

    public static Builder builder() {
        return new Builder();
    }

    /**
     * How a run ended.
     *
     * @param step the last one done
     * @param finished whether that was the run's last
     * @param directory the run's
     */
    public record Result(long step, boolean finished, Path directory) {
        /** The trained model, once the run is finished. */
        public Path export() {
            return directory.resolve("export");
        }
    }

    /** What a worker would need to build this run anew, in HOCON; every key. */
    public String configuration() {
        return conf.text();
    }

    /**
     * Trains, or goes on where the run in the output directory stopped. Unless the builder has set
     * {@code parallel.isolation}, workers run in this JVM, where every component is at hand.
     *
     * @throws FaultException where the run fails; its message says what to do
     */
    public Result run() throws InterruptedException {
        if (isolationGiven) {
            refuseWhatWorkersCannotBuild();
        }
        LocalCast cast = isolationGiven ? prepare() : prepare().withWorkersHere();
        RunSettings settings = ConfigReader.read(conf.text(), "run", RunSettings.class);
        try (RunDirectory directory = cast.directory();
                LocalRun run = LocalRun.start(cast, settings.progressTimeout(), view)) {
            return result(run.await());
        }
    }

    /** A worker in a process of its own has nothing but the configuration. */
    private void refuseWhatWorkersCannotBuild() {
        if (ConfigReader.read(conf.text(), "parallel", ParallelSettings.class).isolation() == Isolation.PROCESS) {
            try {
                RunConf unused = RunFile.recheck(conf.text());
            } catch (FaultException e) {
                throw new FaultException(
                        e.fault().code(),
                        e.fault().message()
                                + "\n  or set parallel.isolation = in-process, where workers are in this one",
                        e);
            }
        }
    }

    /**
     * Opens the run directory, which whoever starts the run closes after it, and writes the data that the pipeline has.
     *
     * @throws FaultException where another run is there, or a file is missing
     */
    public LocalCast prepare() {
        RunDirectory directory = RunDirectory.open(conf.dir(), conf.text());
        try {
            data.write(conf.dir());
            NamedPaths.refuseMissing(conf);
            return new LocalCast(conf.text(), directory, local);
        } catch (RuntimeException e) {
            directory.close();
            throw e;
        }
    }

    private Result result(RunEnded ended) {
        return switch (ended.getOutcome()) {
            case FINISHED -> new Result(ended.getStep(), true, conf.dir());
            case STOPPED -> new Result(ended.getStep(), false, conf.dir());
            case FAILED, OUTCOME_UNSPECIFIED, UNRECOGNIZED ->
                throw new FaultException(FaultCode.valueOf(ended.getFaultCode()), ended.getMessage());
        };
    }

    /** Draws the flow of tensors, the model's parameters and what became of the contracts. */
    public void print() {
        print(System.out);
    }

    /** As {@link #print()}, elsewhere. */
    public void print(PrintStream out) {
        out.print(describe());
    }

    /** What {@link #print()} prints. */
    public String describe() {
        return PipelineDrawing.draw(conf.text(), local);
    }

    /** Collects what a pipeline is made of. */
    public static final class Builder {
        private final List<PreProcessor> preprocessors = new ArrayList<>();
        private final List<PostProcessor> postprocessors = new ArrayList<>();
        private Keys keys = Keys.NONE;
        private Optional<ModelFactory> model = Optional.empty();
        private Optional<Data> data = Optional.empty();
        private Optional<LossCalculator> loss = Optional.empty();
        private Path outputDir = Path.of("runs", "pipeline");
        private RunView view = new PlainView(System.out, false, System::nanoTime);

        private Builder() {}

        public Builder model(ModelFactory factory) {
            model = Optional.of(factory);
            return this;
        }

        public Builder data(Data source) {
            data = Optional.of(source);
            return this;
        }

        /** Adds stages before the model, in order. */
        public Builder preprocess(PreProcessor... stages) {
            preprocessors.addAll(Arrays.asList(stages));
            return this;
        }

        /** Adds stages between model and loss, in order. */
        public Builder postprocess(PostProcessor... stages) {
            postprocessors.addAll(Arrays.asList(stages));
            return this;
        }

        /** Cross entropy of the next token where none is given. */
        public Builder loss(LossCalculator calculator) {
            loss = Optional.of(calculator);
            return this;
        }

        public Builder contracts(ContractMode mode) {
            return set("pipeline.contracts", mode.name().toLowerCase(Locale.ROOT));
        }

        public Builder optimizer(AdamW optimizer) {
            keys = keys.with(optimizer.keys());
            return this;
        }

        /** The run directory. */
        public Builder outputDir(Path directory) {
            outputDir = directory;
            return this;
        }

        /** Passes over the data. */
        public Builder epochs(double epochs) {
            return set("run.epochs", epochs);
        }

        /** Optimizer steps in all, in the place of {@link #epochs}. */
        public Builder steps(long steps) {
            return set("run.steps", steps);
        }

        public Builder seed(long seed) {
            return set("run.seed", seed);
        }

        /** Sets any key of a run; deploy/reference/keys.md has them all. */
        public Builder set(String key, Object value) {
            keys = keys.with(key, value);
            return this;
        }

        /** Where the run's events are shown; on standard output where none is given. */
        public Builder view(RunView events) {
            view = events;
            return this;
        }

        /**
         * Checks everything that can be checked before the run.
         *
         * @throws FaultException CONFIG_INVALID with a line per problem
         */
        public Pipeline build() {
            Data source = data.orElseThrow(() -> missing("data", "Data.jsonl(path)"));
            LocalComponents local = new LocalComponents();
            RunConf conf = RunFile.resolve(config(source, local), Path.of(""), local);
            return new Pipeline(conf, local, source, view, keys.has(ISOLATION));
        }

        /** As {@link Pipeline#describe}, of a pipeline that need not be sound. */
        public String describe() {
            Data source = data.orElseThrow(() -> missing("data", "Data.jsonl(path)"));
            LocalComponents local = new LocalComponents();
            Config config = config(source, local).withFallback(ConfigReader.defaults());
            return PipelineDrawing.draw(config.root().render(), local);
        }

        private Config config(Data source, LocalComponents local) {
            ModelFactory factory = model.orElseThrow(() -> missing("model", "ModelFactory.fromPretrained(path)"));
            Path directory = outputDir.toAbsolutePath().normalize();
            Keys all = Keys.NONE
                    .with("run.dir", directory)
                    .with(factory.keys())
                    .with(source.keys(directory))
                    .with(PipelineConfig.PREPROCESS, list(PipelineConfig.PREPROCESS, preprocessors, local))
                    .with(PipelineConfig.POSTPROCESS, list(PipelineConfig.POSTPROCESS, postprocessors, local))
                    .with(keys);
            if (loss.isPresent()) {
                all = with(all, PipelineConfig.LOSS, loss.get(), local);
            }
            Optional<AutogradModel> own = factory.own();
            return (own.isPresent() ? with(all, PipelineConfig.MODEL, own.get(), local) : all).config();
        }

        private static Keys with(Keys keys, String key, Component component, LocalComponents local) {
            local.put(key, component);
            ComponentConfig named = ComponentConfig.of(component);
            return keys.with(key + ".type", named.type())
                    .with(key + ".config", named.config().orElseGet(ConfigFactory::empty));
        }

        private static List<Map<String, Object>> list(
                String key, List<? extends Component> components, LocalComponents local) {
            List<Map<String, Object>> list = new ArrayList<>();
            for (int i = 0; i < components.size(); i++) {
                local.put(PipelineConfig.element(key, i), components.get(i));
                ComponentConfig named = ComponentConfig.of(components.get(i));
                Map<String, Object> entry = new LinkedHashMap<>();
                entry.put("type", named.type());
                entry.put(
                        "config",
                        named.config().orElseGet(ConfigFactory::empty).root().unwrapped());
                list.add(entry);
            }
            return list;
        }

        private static FaultException missing(String what, String how) {
            return new FaultException(
                    FaultCode.CONFIG_INVALID, "the pipeline has no %s: give .%s(%s)".formatted(what, what, how));
        }
    }
}
