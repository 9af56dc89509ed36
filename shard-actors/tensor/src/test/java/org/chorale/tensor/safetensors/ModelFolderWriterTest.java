// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.chorale.tensor.safetensors.HandMade.content;
import static org.chorale.tensor.safetensors.HandMade.tensor;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ModelFolderWriterTest {
    private static final List<TensorSpec> SPECS =
            List.of(floats("z", 10), floats("y", 15), floats("x", 40), floats("w", 5), floats("v", 5));
    private static final String[] SHARDS = {
        "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"
    };

    @TempDir
    Path root;

    private Path folder;

    @BeforeEach
    void aFolderThatDoesNotExist() {
        folder = root.resolve("export");
    }

    @Test
    void shardsAreFilledInTheGivenOrderAndALargeTensorHasItsOwn() throws IOException {
        Map<String, WrittenFile> written = write(100);

        assertThat(written).containsOnlyKeys(SHARDS[0], SHARDS[1], SHARDS[2], "model.safetensors.index.json");
        JsonNode index = new ObjectMapper()
                .readTree(folder.resolve("model.safetensors.index.json").toFile());
        assertThat(index.at("/metadata/total_size").asLong()).isEqualTo(300);
        assertThat(index.get("weight_map"))
                .isEqualTo(new ObjectMapper()
                        .valueToTree(Map.of(
                                "z", SHARDS[0], "y", SHARDS[0], "x", SHARDS[1], "w", SHARDS[2], "v", SHARDS[2])));
        for (Map.Entry<String, WrittenFile> file : written.entrySet()) {
            assertThat(folder.resolve(file.getKey())).hasSize(file.getValue().bytes());
        }
    }

    @Test
    void whatWasWrittenInShardsIsReadAsOneModel() {
        write(100);
        try (PointerScope scope = new PointerScope();
                ModelFiles model = ModelFiles.open(folder)) {
            assertThat(model.names()).containsExactlyInAnyOrder("z", "y", "x", "w", "v");
            for (TensorSpec spec : SPECS) {
                assertThat(content(model.tensor(spec.name()))).isEqualTo(content(made(spec.name())));
            }
        }
    }

    @Test
    void aModelThatFitsIsOneFileWithoutAnIndex() throws IOException {
        assertThat(write(ModelFolderWriter.DEFAULT_MAX_SHARD_BYTES)).containsOnlyKeys("model.safetensors");
        assertThat(names()).containsExactly("model.safetensors");
    }

    @Test
    void anOlderModelIsReplacedWholeInBothDirections() throws IOException {
        write(1_000);
        write(100);
        assertThat(names()).containsExactly(SHARDS[0], SHARDS[1], SHARDS[2], "model.safetensors.index.json");
        write(60);
        assertThat(names()).hasSize(5).contains("model-00004-of-00004.safetensors");
        Files.createFile(folder.resolve("config.json"));
        write(1_000);
        assertThat(names()).containsExactly("config.json", "model.safetensors");
    }

    @Test
    void aWriteOverShardsThatFailsLeavesNoIndexThatMixesOldAndNew() {
        write(100);

        assertThatIllegalStateException()
                .isThrownBy(() -> ModelFolderWriter.write(
                        folder,
                        SPECS,
                        name -> {
                            if (name.equals("w")) {
                                throw new IllegalStateException("the device was lost");
                            }
                            return made(name);
                        },
                        Map.of(),
                        100));

        assertThatExceptionOfType(MissingFileException.class)
                .isThrownBy(this::open)
                .withMessageContaining("holds no weights");
    }

    @Test
    void aTensorThatIsAnnouncedTwiceIsRefusedAlsoAcrossShards() {
        List<TensorSpec> twice = List.of(SPECS.get(0), SPECS.get(1), SPECS.get(0));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> ModelFolderWriter.write(folder, twice, ModelFolderWriterTest::made, Map.of(), 1))
                .withMessage("tensor z is announced twice");
        assertThat(folder).doesNotExist();
    }

    private Map<String, WrittenFile> write(long maxShardBytes) {
        return ModelFolderWriter.write(
                folder, SPECS, ModelFolderWriterTest::made, SafetensorsWriter.DEFAULT_METADATA, maxShardBytes);
    }

    private void open() {
        try (ModelFiles model = ModelFiles.open(folder)) {
            assertThat(model.names()).isEmpty();
        }
    }

    private List<String> names() throws IOException {
        try (Stream<Path> listing = Files.list(folder)) {
            return listing.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private static TensorSpec floats(String name, long elements) {
        return new TensorSpec(name, StoredType.F32, List.of(elements));
    }

    private static Tensor made(String name) {
        TensorSpec spec = SPECS.stream()
                .filter(each -> each.name().equals(name))
                .findFirst()
                .orElseThrow();
        return tensor(ScalarType.Float, Float.BYTES, name.hashCode(), spec.elements());
    }
}
