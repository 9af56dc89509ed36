// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.chorale.data.example.Learning;
import org.chorale.data.generate.GeneratedData;
import org.chorale.data.row.RowSteps;
import org.chorale.data.source.SourceConfig;
import org.chorale.data.source.SourceSettings;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * Everything that a feeder reads from a run's configuration as resolved. {@link #train} and {@link #eval} are where
 * the examples are, whoever made them.
 */
public record FeedSettings(DataConfig data, Run run, Model model, Preference preference) {
    /**
     * {@code run}, as far as data depends on it.
     *
     * @param steps optimizer steps in all; where it is empty, {@code epochs} decides
     * @param epochs passes over the training data
     * @param seed decides the order of the examples
     * @param dir the run directory
     */
    public record Run(Optional<Long> steps, double epochs, long seed, Path dir) {}

    /**
     * {@code model}, as far as data depends on it.
     *
     * @param path the folder whose tokenizer is taken where {@code data.tokenizer.path} names none
     */
    public record Model(Optional<Path> path) {}

    /**
     * {@code loss.preference}, as far as data depends on it.
     *
     * @param type of the loss; where it is empty, cross entropy or a pipeline's
     * @param precomputed a file with what the reference makes of all sequences
     */
    public record Preference(Optional<Type> type, Optional<Path> precomputed) {
        /** What each learns from. */
        public enum Type {
            DPO(Learning.PAIRS),
            ORPO(Learning.PAIRS),
            KTO(Learning.RATINGS);

            private final Learning learning;

            Type(Learning learning) {
                this.learning = learning;
            }
        }

        /** What the rows must hold. */
        public Learning learning() {
            return type.map(given -> given.learning).orElse(Learning.TEXT);
        }
    }

    /**
     * Reads a configuration that was resolved before.
     *
     * @throws org.chorale.proto.fault.FaultException CONFIG_INVALID, with every problem
     */
    public static FeedSettings read(String runConf) {
        ConfigReader reader = new ConfigReader(ConfigReader.parse("", runConf));
        Optional<DataConfig> data = reader.read("data", DataConfig.class);
        Optional<Run> run = reader.read("run", Run.class);
        Optional<Model> model = reader.read("model", Model.class);
        Optional<Preference> preference = reader.read("loss.preference", Preference.class);
        reader.throwProblems();
        return new FeedSettings(data.orElseThrow(), run.orElseThrow(), model.orElseThrow(), preference.orElseThrow());
    }

    /** Whether the examples are written by Chorale, because there is a task and no source. */
    public boolean generates() {
        return data.train().isEmpty();
    }

    /** Where generated examples are, or would be. */
    public GeneratedData generatedData() {
        return GeneratedData.in(run.dir());
    }

    /** The training sources. */
    public List<NamedSource> train() {
        return data.train().isEmpty()
                ? List.of(NamedSource.of(
                        NamedSource.TRAIN,
                        generatedData().train(),
                        SourceConfig.of(generatedData().train())))
                : NamedSource.of(
                        NamedSource.TRAIN, data.train().reading(), data.train().sources());
    }

    /** The sources of held-out examples; none where nothing is evaluated, or training rows are held out. */
    public List<NamedSource> eval() {
        return generates() && !data.eval().hasSources()
                ? List.of(NamedSource.of(
                        NamedSource.EVAL,
                        generatedData().heldOut(),
                        SourceConfig.of(generatedData().heldOut())))
                : NamedSource.of(
                        NamedSource.EVAL, data.eval().reading(), data.eval().sources());
    }

    /** The folder with {@code tokenizer.json}, or the file itself; empty where all rows must be token ids. */
    public Optional<Path> tokenizer() {
        return data.tokenizer().path().or(model::path);
    }

    /** @throws FaultException TOKENIZER_INVALID where there is none */
    public Path tokenizerPath() {
        return tokenizer().orElseThrow(() -> new FaultException(FaultCode.TOKENIZER_INVALID, TextTokenizer.NONE));
    }

    /** What a source is read with. */
    SourceSettings read(NamedSource source) {
        return new SourceSettings(
                source.pathKey(),
                source.entry().path(),
                source.entry().reading(),
                data.malformedRows(),
                data.sequenceTokens(),
                steps(source),
                data.numberFields());
    }

    private static RowSteps steps(NamedSource source) {
        try {
            return source.entry().steps().build(source.key());
        } catch (IllegalArgumentException e) {
            throw new FaultException(FaultCode.CONFIG_INVALID, String.valueOf(e.getMessage()), e);
        }
    }

    /** Of held-out examples that are training examples there is an index already. */
    String indexName(NamedSource source) {
        return train().stream()
                .filter(known -> known.readsTheSame(source))
                .findFirst()
                .orElse(source)
                .name();
    }

    Path indexFile(String name) {
        return indexFolder().resolve(name + ".idx");
    }

    Path lengthsFile(String name) {
        return indexFolder().resolve(name + ".lengths");
    }

    Path dayFile() {
        return indexFolder().resolve("day.txt");
    }

    Path reportFile() {
        return indexFolder().resolve("report.txt");
    }

    Path sourcesFile() {
        return indexFolder().resolve("sources.json");
    }

    private Path indexFolder() {
        return run.dir().resolve("index");
    }
}
