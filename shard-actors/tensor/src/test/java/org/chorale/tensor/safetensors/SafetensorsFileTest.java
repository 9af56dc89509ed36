// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.chorale.tensor.safetensors.HandMade.bytes;
import static org.chorale.tensor.safetensors.HandMade.content;
import static org.chorale.tensor.safetensors.HandMade.entry;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SafetensorsFileTest {
    static final Path LLAMA = Path.of("src/test/resources/goldens/llama/model.safetensors");

    @TempDir
    Path folder;

    @Test
    void tensorsAreViewsOfOneMappingOfTheFile() throws IOException {
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(LLAMA)) {
            TensorEntry first = file.entries().get(0);
            long base = file.tensor(first.name()).data_ptr().address() - first.begin();

            for (TensorEntry entry : file.entries()) {
                Tensor tensor = file.tensor(entry.name());
                assertThat(tensor.data_ptr().address()).as(entry.name()).isEqualTo(base + entry.begin());
                assertThat(tensor.sizes().vec().get()).containsExactly(longs(entry));
                assertThat(tensor.scalar_type().intern()).isEqualTo(ScalarType.Float);
            }
            assertThat(mappings(LLAMA)).isEqualTo(1);
        }
        assertThat(mappings(LLAMA)).isZero();
    }

    @Test
    void theReferencesFileHasItsNamesAndMetadata() {
        SafetensorsHeader header = SafetensorsHeader.read(LLAMA);

        assertThat(header.metadata()).containsExactlyEntriesOf(SafetensorsWriter.DEFAULT_METADATA);
        assertThat(header.entries()).hasSize(30);
        assertThat(header.find("model.embed_tokens.weight"))
                .hasValueSatisfying(entry -> assertThat(entry.elements() * 4).isEqualTo(entry.bytes()));
    }

    @Test
    void anUnalignedTensorIsCopiedAndKeepsItsValues() throws IOException {
        byte[] data = ByteBuffer.allocate(17)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) 7)
                .putFloat(1.5f)
                .putFloat(-2)
                .putDouble(Math.PI)
                .array();
        String header = "{" + entry("a", "U8", "[1]", 0, 1) + "," + entry("b", "F32", "[2]", 1, 9) + ","
                + entry("c", "F64", "[]", 9, 17) + "," + entry("d", "F32", "[0,2]", 17, 17) + "}";
        Path path = HandMade.write(folder.resolve("odd.safetensors"), bytes(padded(header), data));
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            assertThat(file.tensor("b").data_ptr().address() % Float.BYTES).isZero();
            assertThat(content(file.tensor("b"))).isEqualTo(Arrays.copyOfRange(data, 1, 9));
            assertThat(file.tensor("c").dim()).isZero();
            assertThat(file.tensor("c").item_double()).isEqualTo(Math.PI);
            assertThat(file.tensor("d").sizes().vec().get()).containsExactly(0, 2);
            assertThat(file.tensor("a").item_int()).isEqualTo(7);
        }
    }

    @Test
    void aPartOfATensorIsAViewInRowMajorOrder() {
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(LLAMA)) {
            String name = "model.layers.0.mlp.up_proj.weight";
            Tensor whole = file.tensor(name).view(-1L);
            Tensor part = file.range(name, 5, 9);
            assertThat(part.data_ptr().address()).isEqualTo(whole.data_ptr().address() + 5 * Float.BYTES);
            assertThat(content(part)).isEqualTo(content(whole.narrow(0, 5, 4)));
            assertThat(file.range(name, 7, 7).numel()).isZero();
            assertThat(content(file.range(name, 0, whole.numel()))).isEqualTo(content(whole));
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> file.range(name, 1, whole.numel() + 1));
        }
    }

    @Test
    void aPartThatIsNotAlignedIsCopied() throws IOException {
        byte[] data = ByteBuffer.allocate(13)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) 7)
                .putFloat(1.5f)
                .putFloat(-2)
                .putFloat(3)
                .array();
        String header = "{" + entry("a", "U8", "[1]", 0, 1) + "," + entry("b", "F32", "[3]", 1, 13) + "}";
        Path path = HandMade.write(folder.resolve("odd.safetensors"), bytes(padded(header), data));
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            assertThat(content(file.range("b", 1, 3))).isEqualTo(Arrays.copyOfRange(data, 5, 13));
            assertThat(file.range("b", 1, 3).data_ptr().address() % Float.BYTES).isZero();
        }
    }

    @Test
    void aTensorOutlivesItsFileAndFreesTheMappingLast() throws IOException {
        Path path = HandMade.write(
                folder.resolve("w.safetensors"),
                bytes(padded("{" + entry("w", "I32", "[2]", 0, 8) + "}"), new byte[] {1, 0, 0, 0, 2, 0, 0, 0}));
        SafetensorsFile file = open(path);
        try (Tensor tensor = file.tensor("w")) {
            file.close();
            file.close();

            assertThat(mappings(path)).isEqualTo(1);
            assertThat(tensor.sum().item_int()).isEqualTo(3);
        }
        assertThat(mappings(path)).isZero();
        assertThatIllegalStateException().isThrownBy(() -> file.tensor("w")).withMessage(path + " is closed");
    }

    @Test
    void aTensorBelongsToTheInnermostScopeButTheMappingDoesNot() throws IOException {
        Path path = HandMade.write(folder.resolve("w.safetensors"), "w");
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            Tensor tensor;
            try (PointerScope scope = new PointerScope()) {
                tensor = file.tensor("w");
                assertThat(tensor.isNull()).isFalse();
            }
            assertThat(tensor.isNull()).isTrue();
            try (Tensor again = file.tensor("w")) {
                assertThat(again.numel()).isEqualTo(1);
            }
        }
        assertThat(mappings(path)).isZero();
    }

    @Test
    void nothingButTheTensorEntersTheCallersScope() {
        Path path = HandMade.write(folder.resolve("w.safetensors"), "w");
        List<Pointer> attached = new ArrayList<>();
        try (PointerScope scope = new RecordingScope(attached);
                SafetensorsFile file = SafetensorsFile.open(path)) {
            Tensor tensor = file.tensor("w");

            assertThat(attached).singleElement().isSameAs(tensor);
        }
    }

    /** Notes what is made while it is the innermost scope. */
    private static final class RecordingScope extends PointerScope {
        private final List<Pointer> attached;

        private RecordingScope(List<Pointer> attached) {
            this.attached = attached;
        }

        @Override
        public PointerScope attach(Pointer pointer) {
            attached.add(pointer);
            return super.attach(pointer);
        }
    }

    @Test
    void writingIntoATensorDoesNotChangeTheFile() throws IOException {
        Path path = HandMade.write(folder.resolve("w.safetensors"), "w");
        byte[] before = Files.readAllBytes(path);
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            file.tensor("w").add_(new Scalar(5));
            assertThat(file.tensor("w").item_int()).isEqualTo(5);
        }
        assertThat(Files.readAllBytes(path)).isEqualTo(before);
    }

    @Test
    void tensorsBeyondTwoGibibytesAreMapped() throws IOException {
        long far = 3L << 30;
        String header = padded("{" + entry("big", "U8", "[" + far + "]", 0, far) + ","
                + entry("far", "I64", "[1]", far, far + 8) + "}");
        Path path = HandMade.write(folder.resolve("big.safetensors"), bytes(header));
        try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
            sparse.seek(sparse.length() + far);
            sparse.writeLong(Long.reverseBytes(42));
        }
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            assertThat(file.tensor("big").numel()).isEqualTo(far);
            assertThat(file.tensor("far").item_long()).isEqualTo(42);
        }
    }

    @Test
    void aFileWithANameBeyondAsciiIsMapped() {
        Path path = HandMade.write(folder.resolve("gewichte-µ-重み.safetensors"), "w");
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            assertThat(file.tensor("w").numel()).isEqualTo(1);
        }
    }

    @Test
    void aFileThatWasReplacedAfterItsHeaderWasReadIsRefused() throws IOException {
        Path path = HandMade.write(folder.resolve("w.safetensors"), "w");
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            HandMade.write(path, "v");
            Files.setLastModifiedTime(path, FileTime.fromMillis(0));

            assertThatExceptionOfType(InvalidFileException.class)
                    .isThrownBy(() -> file.tensor("w"))
                    .withMessage(path + ": has changed since its header was read; open it again");
        }
        assertThat(mappings(path)).isZero();
    }

    @Test
    void aTensorThatTheFileOrLibtorchDoesNotHaveIsRefusedByName() {
        Path path = HandMade.write(
                folder.resolve("f.safetensors"), bytes("{" + entry("f", "F4", "[2]", 0, 1) + "}", (byte) 0));
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertThatExceptionOfType(InvalidFileException.class)
                    .isThrownBy(() -> file.tensor("f"))
                    .withMessage(path + ": tensor f: libtorch has no type for F4, so it cannot be read");
            assertThatExceptionOfType(InvalidFileException.class)
                    .isThrownBy(() -> file.tensor("g"))
                    .withMessage(path + ": tensor g: is not in this file");
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // the claim is about closing it
    private static SafetensorsFile open(Path path) {
        return SafetensorsFile.open(path);
    }

    private static String padded(String header) {
        return header + " ".repeat((8 - header.length() % 8) % 8);
    }

    private static long[] longs(TensorEntry entry) {
        return entry.shape().stream().mapToLong(Long::longValue).toArray();
    }

    /** How often this process maps a file. */
    static long mappings(Path file) throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"), StandardCharsets.UTF_8)) {
            String real = file.toRealPath().toString();
            return lines.filter(line -> line.endsWith(real)).count();
        }
    }
}
