// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.chorale.tensor.safetensors.HandMade.tensor;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SafetensorsWriterTest {
    private static final List<TensorSpec> TWO =
            List.of(new TensorSpec("a", StoredType.U8, List.of(1L)), new TensorSpec("b", StoredType.U8, List.of(1L)));

    @TempDir
    Path folder;

    private Path target;
    private byte[] old;

    @BeforeEach
    void anOldFile() throws IOException {
        target = HandMade.write(folder.resolve("model.safetensors"), "old");
        old = Files.readAllBytes(target);
    }

    @Test
    void aWriteThatFailsHalfwayLeavesTheOldFileAndNothingElse() throws IOException {
        assertThatIllegalStateException()
                .isThrownBy(() -> write(name -> {
                    if (name.equals("b")) {
                        throw new IllegalStateException("the device was lost");
                    }
                    return tensor(ScalarType.Byte, 1, 1, 1);
                }));

        assertOnlyTheOldFile();
    }

    @Test
    void anInterruptedWriteLeavesTheOldFileAndNothingElse() throws IOException {
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> write(name -> {
                    Thread.currentThread().interrupt();
                    return tensor(ScalarType.Byte, 1, 1, 1);
                }))
                .withMessageStartingWith(target + ": could not be written: ")
                .withCauseInstanceOf(ClosedByInterruptException.class);

        assertThat(Thread.interrupted()).isTrue();
        assertOnlyTheOldFile();
    }

    @Test
    void aKilledWriteLeavesTheOldFileAndTheNextModelRemovesTheRest() throws IOException {
        assertThat(ChildProcess.run(KilledWriter.class, target.toString()).exitCode())
                .isEqualTo(KilledWriter.EXIT_CODE);

        assertThat(Files.readAllBytes(target)).isEqualTo(old);
        assertThat(names()).hasSize(2).contains("model.safetensors").anyMatch(name -> name.endsWith(".tmp"));
        try (ModelFiles model = ModelFiles.open(folder)) {
            assertThat(model.names()).containsExactly("old");
        }
        ModelFolderWriter.write(folder, TWO, name -> tensor(ScalarType.Byte, 1, 1, 1));
        assertThat(names()).containsExactly("model.safetensors");
    }

    /** Ends its process inside of a write, where no finally block runs. */
    static final class KilledWriter {
        static final int EXIT_CODE = 17;

        private KilledWriter() {}

        public static void main(String[] args) {
            Function<String, Tensor> tensors = name -> {
                if (name.equals("b")) {
                    Runtime.getRuntime().halt(EXIT_CODE);
                }
                return tensor(ScalarType.Byte, 1, 1, 1);
            };
            SafetensorsWriter.write(Path.of(args[0]), TWO, tensors, Map.of());
        }
    }

    @Test
    void aNewFileMayBeReadByWhomeverOtherNewFilesMay() throws IOException {
        write(name -> tensor(ScalarType.Byte, 1, 1, 1));

        assertThat(Files.getPosixFilePermissions(target))
                .isEqualTo(Files.getPosixFilePermissions(Files.createFile(folder.resolve("plain"))));
        assertThat(Files.readAllBytes(target)).isNotEqualTo(old);
    }

    @Test
    void tensorsAreFreedOneByOneWhileTheyAreWritten() {
        List<Tensor> made = new ArrayList<>();

        write(name -> {
            assertThat(made).allMatch(tensor -> tensor.isNull());
            made.add(tensor(ScalarType.Byte, 1, 1, 1));
            return made.get(made.size() - 1);
        });

        assertThat(made).hasSize(2).allMatch(tensor -> tensor.isNull());
    }

    @Test
    void aTensorThatIsNotContiguousIsRefusedByName() throws IOException {
        try (PointerScope scope = new PointerScope()) {
            Tensor transposed = tensor(ScalarType.Byte, 1, 1, 2, 3).t();

            assertThatIllegalArgumentException()
                    .isThrownBy(() -> SafetensorsWriter.write(target, Map.of("w", transposed)))
                    .withMessage("tensor w is not contiguous in the memory of the CPU or of a GPU;"
                            + " pass tensor.cpu().contiguous()");
        }
        assertOnlyTheOldFile();
    }

    @Test
    void aTypeThatTheFormatLacksIsRefusedByName() throws IOException {
        try (PointerScope scope = new PointerScope()) {
            Tensor complex = tensor(ScalarType.ComplexDouble, 16, 1, 2);

            assertThatIllegalArgumentException()
                    .isThrownBy(() -> SafetensorsWriter.write(target, Map.of("w", complex)))
                    .withMessage("tensor w: safetensors cannot store libtorch's ComplexDouble");
        }
        assertOnlyTheOldFile();
    }

    @Test
    void aTensorThatIsNotAsAnnouncedIsRefusedByName() throws IOException {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> write(name -> tensor(ScalarType.Char, 1, 1, 2)))
                .withMessage("tensor a is I8 [2]; U8 [1] was announced");

        assertOnlyTheOldFile();
    }

    @Test
    void namesThatAReaderWouldRefuseAreNotWritten() throws IOException {
        List<TensorSpec> metadata = List.of(new TensorSpec("__metadata__", StoredType.U8, List.of(0L)));
        List<TensorSpec> twice = List.of(TWO.get(0), TWO.get(0));

        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        SafetensorsWriter.write(target, metadata, name -> tensor(ScalarType.Byte, 1, 1, 0), Map.of()))
                .withMessage("no tensor may be called __metadata__");
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        SafetensorsWriter.write(target, twice, name -> tensor(ScalarType.Byte, 1, 1, 1), Map.of()))
                .withMessage("tensor a is announced twice");
        assertOnlyTheOldFile();
    }

    @Test
    void aHeaderThatAReaderWouldRefuseIsNotWritten() throws IOException {
        Map<String, String> metadata = Map.of("long", "x".repeat(SafetensorsHeader.MAX_HEADER_BYTES));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> SafetensorsWriter.write(target, Map.of(), metadata))
                .withMessageContaining("at most 100000000 are allowed");
        assertOnlyTheOldFile();
    }

    @Test
    void aFolderThatDoesNotExistIsNamed() {
        Path absent = folder.resolve("absent/model.safetensors");

        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> SafetensorsWriter.write(absent, Map.of()))
                .withMessageContaining(absent + ": could not be written: ");
    }

    private void write(Function<String, Tensor> tensors) {
        SafetensorsWriter.write(target, TWO, tensors, Map.of());
    }

    private void assertOnlyTheOldFile() throws IOException {
        assertThat(Files.readAllBytes(target)).isEqualTo(old);
        assertThat(names()).containsExactly("model.safetensors");
    }

    private List<String> names() throws IOException {
        try (Stream<Path> listing = Files.list(folder)) {
            return listing.map(file -> file.getFileName().toString()).toList();
        }
    }
}
