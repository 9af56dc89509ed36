// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.chorale.tensor.safetensors.HandMade.content;
import static org.chorale.tensor.safetensors.HandMade.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What is written comes back with the same bits. */
final class RoundTripTest {
    @TempDir
    Path folder;

    static Stream<StoredType> typesOfLibtorch() {
        return Arrays.stream(StoredType.values())
                .filter(type -> type.scalarType().isPresent());
    }

    @ParameterizedTest
    @MethodSource("typesOfLibtorch")
    void everyTypeOfLibtorchKeepsItsBitsAndShape(StoredType type) {
        ScalarType scalarType = type.scalarType().orElseThrow();
        Path path = folder.resolve("typed.safetensors");
        try (PointerScope scope = new PointerScope()) {
            Map<String, Tensor> tensors = Map.of(
                    "matrix", tensor(scalarType, type.bits() / 8, 1, 3, 5),
                    "number", tensor(scalarType, type.bits() / 8, 2),
                    "nothing", tensor(scalarType, type.bits() / 8, 3, 4, 0, 2));
            SafetensorsWriter.write(path, tensors);
            try (SafetensorsFile file = SafetensorsFile.open(path)) {
                assertThat(file.entries()).hasSize(3).allMatch(entry -> entry.dtype() == type);
                tensors.forEach((name, written) -> {
                    Tensor read = file.tensor(name);
                    assertThat(read.scalar_type().intern()).isEqualTo(scalarType);
                    assertThat(read.sizes().vec().get())
                            .isEqualTo(written.sizes().vec().get());
                    assertThat(content(read)).isEqualTo(content(written));
                });
            }
        }
    }

    @Test
    void theFilesOfTheReferenceAreWrittenAgainByteForByte() throws IOException {
        Path copy = folder.resolve("copy.safetensors");
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(SafetensorsFileTest.LLAMA)) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            file.entries().forEach(entry -> tensors.put(entry.name(), file.tensor(entry.name())));
            SafetensorsWriter.write(copy, tensors, file.metadata());
        }

        assertThat(copy).hasSameBinaryContentAs(SafetensorsFileTest.LLAMA);
    }

    @Test
    void wideTypesComeFirstSoThatEveryTensorIsAligned() {
        Path path = folder.resolve("mixed.safetensors");
        try (PointerScope scope = new PointerScope()) {
            SafetensorsWriter.write(
                    path,
                    Map.of(
                            "a", tensor(ScalarType.Bool, 1, 1, 3),
                            "b", tensor(ScalarType.Half, 2, 2, 3),
                            "c", tensor(ScalarType.Long, 8, 3, 3),
                            "e", tensor(ScalarType.Float, 4, 4, 3),
                            "d", tensor(ScalarType.Float, 4, 5, 3)),
                    Map.of("step", "17"));
        }
        SafetensorsHeader header = SafetensorsHeader.read(path);

        assertThat(header.entries()).extracting(TensorEntry::name).containsExactly("c", "d", "e", "b", "a");
        assertThat(header.dataBegin() % 8).isZero();
        assertThat(header.metadata()).containsExactly(Map.entry("step", "17"));
    }

    @Test
    void aTensorOfSeveralChunksIsWrittenWholeAndTheDigestIsTheFiles() throws IOException, NoSuchAlgorithmException {
        Path path = folder.resolve("chunks.safetensors");
        try (PointerScope scope = new PointerScope()) {
            Tensor large = tensor(ScalarType.Byte, 1, 6, (9 << 20) + 13);

            WrittenFile written = SafetensorsWriter.write(path, Map.of("large", large));

            byte[] content = Files.readAllBytes(path);
            assertThat(Arrays.copyOfRange(content, content.length - (9 << 20) - 13, content.length))
                    .isEqualTo(content(large));
            assertThat(written.bytes()).isEqualTo(content.length);
            assertThat(written.sha256())
                    .isEqualTo(HexFormat.of()
                            .formatHex(MessageDigest.getInstance("SHA-256").digest(content)));
        }
    }

    @Test
    void aFileWithoutTensorsIsAFile() {
        Path path = folder.resolve("none.safetensors");

        SafetensorsWriter.write(path, Map.of(), Map.of());

        assertThat(SafetensorsHeader.read(path).entries()).isEmpty();
    }
}
