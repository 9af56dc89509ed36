// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.golden;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ModelFolder;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.TensorEntry;
import org.chorale.training.checkpoint.ModelExport;
import org.chorale.training.shard.ModelShard;

/**
 * What the reference has of an adapter after training: {@code merged.NAME}, the base's weights with the adapter merged
 * into them, and beside the golden file a folder {@code trained}, the adapter as PEFT saved it. Ours is written, too, and
 * the files are compared.
 */
final class TrainedAdapter {
    /** What the names of merged weights begin with in a golden file. */
    static final String MERGED = "merged.";

    private static final String FOLDER = "trained";
    private static final String CONFIG = "adapter_config.json";
    private static final String WEIGHTS = "adapter_model.safetensors";
    private static final double MERGED_TOLERANCE = 2e-5;
    private static final double TRAINED_TOLERANCE = 5e-5;

    private final ModelFolder folder;
    private final ModelShard shard;
    private final Comparison comparison;

    /** @param shard after the golden file's steps */
    TrainedAdapter(ModelFolder folder, ModelShard shard, Comparison comparison) {
        this.folder = folder;
        this.shard = shard;
        this.comparison = comparison;
    }

    void compare() {
        try (TensorScope scope = new TensorScope()) {
            List<String> parameters = folder.units().stream()
                    .flatMap(unit -> unit.parameters().stream())
                    .map(ParameterOutline::name)
                    .toList();
            TransformersNames.parts(parameters, TransformersNames::stacked).forEach(this::compareMerged);
            if (folder.config().tied()) {
                compareMerged(
                        folder.config().headWeight(), List.of(folder.config().embeddingWeight()));
            }
        }
        Path trained = comparison.golden().header().file().resolveSibling(FOLDER);
        if (Files.isDirectory(trained)) {
            compareFolders(trained);
        }
    }

    private void compareMerged(String quantity, List<String> parts) {
        if (comparison.has(MERGED + quantity)) {
            List<Tensor> merged = parts.stream()
                    .map(part -> folder.merged(part, shard::weight))
                    .toList();
            comparison.compare(MERGED + quantity, TransformersNames.whole(quantity, merged), MERGED_TOLERANCE);
        }
    }

    private void compareFolders(Path expected) {
        try {
            Path made = Files.createTempDirectory("chorale-adapter");
            Path written = made.resolve(FOLDER);
            try {
                new ModelExport(folder, shard::weight, folder.folder(), Optional.empty()).write(written);
                compareConfigurations(written.resolve(CONFIG), expected.resolve(CONFIG));
                compareWeights(written.resolve(WEIGHTS), expected.resolve(WEIGHTS));
            } finally {
                delete(written);
                delete(made);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void compareConfigurations(Path actual, Path expected) throws IOException {
        JsonMapper mapper = new JsonMapper();
        JsonNode ours = mapper.readTree(actual.toFile());
        JsonNode theirs = mapper.readTree(expected.toFile());
        Set<String> differing = new TreeSet<>();
        Set<String> names = new TreeSet<>();
        ours.fieldNames().forEachRemaining(names::add);
        theirs.fieldNames().forEachRemaining(names::add);
        names.stream()
                .filter(name -> !ours.path(name).equals(theirs.path(name)))
                .forEach(differing::add);
        if (differing.isEmpty()) {
            comparison.same(FOLDER + "/" + CONFIG);
        } else {
            comparison.differs(FOLDER + "/" + CONFIG, "other values of " + String.join(", ", differing));
        }
    }

    private void compareWeights(Path actual, Path expected) {
        try (SafetensorsFile ours = SafetensorsFile.open(actual);
                SafetensorsFile theirs = SafetensorsFile.open(expected);
                TensorScope scope = new TensorScope()) {
            Set<String> names = new TreeSet<>();
            ours.entries().forEach(entry -> names.add(entry.name()));
            theirs.entries().forEach(entry -> names.add(entry.name()));
            names.forEach(name -> compareTensor(name, ours, theirs));
            if (!ours.metadata().equals(theirs.metadata())) {
                comparison.differs(
                        FOLDER + "/" + WEIGHTS,
                        "metadata is %s, must be %s".formatted(ours.metadata(), theirs.metadata()));
            }
        }
    }

    private void compareTensor(String name, SafetensorsFile ours, SafetensorsFile theirs) {
        String quantity = FOLDER + "." + name;
        TensorEntry own = ours.header().find(name).orElse(null);
        TensorEntry other = theirs.header().find(name).orElse(null);
        if (own == null || other == null) {
            comparison.differs(quantity, own == null ? "is not written" : "must not be written");
        } else if (own.dtype() != other.dtype() || !own.shape().equals(other.shape())) {
            comparison.differs(
                    quantity,
                    "is %s %s, must be %s %s".formatted(own.dtype(), own.shape(), other.dtype(), other.shape()));
        } else {
            Tensor actual = ours.tensor(name);
            comparison.compare(quantity, actual, theirs.tensor(name), TRAINED_TOLERANCE);
        }
    }

    private static void delete(Path folder) throws IOException {
        if (Files.isDirectory(folder)) {
            try (var files = Files.list(folder)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(folder);
        }
    }
}
