// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Indexes, and how far they may lead. */
final class ModelFilesTest {
    private static final String FIRST = "model-00001-of-00002.safetensors";
    private static final String SECOND = "model-00002-of-00002.safetensors";

    @TempDir
    Path root;

    private Path folder;

    @BeforeEach
    void aFolderWithTwoShards() throws IOException {
        folder = Files.createDirectory(root.resolve("model"));
        HandMade.write(folder.resolve(FIRST), "a", "b");
        HandMade.write(folder.resolve(SECOND), "c", "unlisted");
        HandMade.write(root.resolve("outside.safetensors"), "a");
    }

    record Case(String claim, String index, List<String> words) {
        @Override
        public String toString() {
            return claim;
        }
    }

    static Stream<Case> malformed() {
        String plain = "it must be the plain name of a .safetensors file in this folder";
        return Stream.of(
                mapped("a parent folder", "../outside.safetensors", plain),
                mapped("a far parent folder", "../../x.safetensors", plain),
                mapped("an absolute path", "/etc/passwd.safetensors", plain),
                mapped("a drive", "C:\\\\model.safetensors", plain),
                mapped("a detour", "a/../" + FIRST, plain),
                mapped("a folder inside", "sub/model.safetensors", plain),
                mapped("two dots in a name", "..safetensors", plain),
                mapped("a zero byte", "model\\u0000.safetensors", plain),
                mapped("an empty name", "", plain),
                mapped("a file of another kind", "config.json", plain),
                mapped("a pickle file", "pytorch_model.bin", "is a pickle file", "only safetensors are read"),
                mapped("the wrong shard", SECOND, "is not in its file", SECOND),
                mapped("a link out of the folder", "link.safetensors", "link that leads out of this folder"),
                refused(
                        "a tensor twice",
                        "{\"weight_map\":{\"a\":\"%s\",\"a\":\"%s\"}}".formatted(FIRST, SECOND),
                        "weight_map has a twice"),
                refused("the map twice", "{\"weight_map\":{},\"weight_map\":{}}", "has weight_map twice"),
                refused("no map", "{\"metadata\":{}}", "no tensor in weight_map"),
                refused("an empty map", "{\"weight_map\":{}}", "no tensor in weight_map"),
                refused("a map that is a list", "{\"weight_map\":[]}", "weight_map must be a JSON object"),
                refused("a file that is no string", "{\"weight_map\":{\"a\":1}}", "weight_map.a must be a string"),
                refused("an array", "[]", "the index must be a JSON object"),
                refused("an empty file", "", "the index must be a JSON object"),
                refused("a file cut off", "{\"weight_map\":{\"a\":", "not JSON"),
                refused("a depth bomb", "{\"metadata\":" + "[".repeat(100_000), "not JSON"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("malformed")
    void isRefusedWithTheIndexAndTheRule(Case malformed) throws IOException {
        Files.createSymbolicLink(folder.resolve("link.safetensors"), root.resolve("outside.safetensors"));
        Path index = index(malformed.index());

        assertThatExceptionOfType(InvalidFileException.class)
                .isThrownBy(this::names)
                .withMessageStartingWith(index + ": ")
                .withMessageContainingAll(malformed.words().toArray(String[]::new));
    }

    @Test
    void tensorsOfAllShardsAreReadAndWhatTheIndexDoesNotListDoesNotExist() throws IOException {
        index("{\"metadata\":{\"total_size\":3.0},\"weight_map\":{\"c\":\"%s\",\"a\":\"%s\",\"b\":\"%s\"}}"
                .formatted(SECOND, FIRST, FIRST));
        try (PointerScope scope = new PointerScope();
                ModelFiles model = ModelFiles.open(folder)) {
            assertThat(model.names()).containsExactly("c", "a", "b");
            assertThat(model.headers()).hasSize(2);
            assertThat(model.entry("c").bytes()).isEqualTo(1);
            assertThat(model.tensor("b").numel()).isEqualTo(1);
            assertThat(model.find("unlisted")).isEmpty();
            assertThatExceptionOfType(InvalidFileException.class)
                    .isThrownBy(() -> model.tensor("unlisted"))
                    .withMessageContaining("tensor unlisted: is not in this model");
        }
        assertThat(SafetensorsFileTest.mappings(folder.resolve(FIRST))).isZero();
    }

    @Test
    void aWrongTotalSizeIsToleratedBecauseTheHeadersKnowBetter() throws IOException {
        index("{\"metadata\":{\"total_size\":1e30},\"weight_map\":{\"a\":\"%s\"}}".formatted(FIRST));

        assertThat(names()).containsExactly("a");
    }

    @Test
    void aShardThatIsMissingIsNamedWithItsTensor() throws IOException {
        Path index = index("{\"weight_map\":{\"a\":\"absent.safetensors\"}}");

        assertThatExceptionOfType(MissingFileException.class)
                .isThrownBy(this::names)
                .withMessage("%s: tensor a: its file %s does not exist", index, folder.resolve("absent.safetensors"));
    }

    @Test
    void aMalformedShardIsNamedItself() throws IOException {
        index("{\"weight_map\":{\"a\":\"%s\"}}".formatted(FIRST));
        Path shard = HandMade.write(folder.resolve(FIRST), new byte[3]);

        assertThatExceptionOfType(InvalidFileException.class)
                .isThrownBy(this::names)
                .satisfies(e -> assertThat(e.file()).isEqualTo(shard));
    }

    @Test
    void aLinkWithinTheFolderIsFollowed() throws IOException {
        index("{\"weight_map\":{\"a\":\"link.safetensors\"}}");
        Files.createSymbolicLink(folder.resolve("link.safetensors"), Path.of(FIRST));

        assertThat(names()).containsExactly("a");
    }

    @Test
    void linksOfTheHubsCacheAreFollowed() throws IOException {
        Path blobs = Files.createDirectory(root.resolve("blobs"));
        folder = Files.createDirectories(root.resolve("snapshots/0123abcd"));
        HandMade.write(blobs.resolve("4d7a"), "a");
        Files.createSymbolicLink(folder.resolve(FIRST), Path.of("../../blobs/4d7a"));
        index("{\"weight_map\":{\"a\":\"%s\"}}".formatted(FIRST));

        assertThat(names()).containsExactly("a");
    }

    @Test
    void theSingleFileIsPreferredToAnIndex() throws IOException {
        index("{\"weight_map\":{\"a\":\"%s\"}}".formatted(FIRST));
        HandMade.write(folder.resolve("model.safetensors"), "single");

        assertThat(names()).containsExactly("single");
    }

    @Test
    void aFolderWithNothingButPickleIsRefusedByName() throws IOException {
        Files.createFile(folder.resolve("optimizer.pt"));
        Path pickle = Files.createFile(folder.resolve("pytorch_model.bin"));

        assertThatExceptionOfType(InvalidFileException.class)
                .isThrownBy(this::names)
                .withMessageStartingWith(pickle + ": is a pickle file, which can run code when it is read")
                .withMessageContaining("model.safetensors");
    }

    @Test
    void aFolderWithoutWeightsSaysWhatIsNeeded() {
        assertThatExceptionOfType(MissingFileException.class)
                .isThrownBy(this::names)
                .withMessage(
                        "%s: holds no weights; model.safetensors or model.safetensors.index.json is needed", folder);
    }

    @Test
    void aFolderThatDoesNotExistIsMissing() {
        folder = root.resolve("absent");

        assertThatExceptionOfType(MissingFileException.class)
                .isThrownBy(this::names)
                .withMessage(folder + ": does not exist");
    }

    private List<String> names() {
        try (ModelFiles model = ModelFiles.open(folder)) {
            return List.copyOf(model.names());
        }
    }

    private Path index(String json) throws IOException {
        return Files.write(folder.resolve("model.safetensors.index.json"), json.getBytes(StandardCharsets.UTF_8));
    }

    private static Case refused(String claim, String index, String... words) {
        return new Case(claim, index, List.of(words));
    }

    /** Tensor a in this file. */
    private static Case mapped(String claim, String file, String... words) {
        return new Case(
                claim,
                "{\"weight_map\":{\"a\":\"" + file + "\"}}",
                Stream.concat(Stream.of("tensor a: "), Stream.of(words)).toList());
    }
}
