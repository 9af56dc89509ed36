// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.InvalidFileException;
import org.chorale.tensor.safetensors.MissingFileException;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole parameters out of files that may be of any ranks, or of an enemy. */
final class CheckpointFilesTest {
    private static final List<Long> SHAPE = List.of(4L, 6L);
    private static final Map<String, String> METADATA = Map.of("step", "7", "optimizer", "sgd", "precision", "fp32");

    @TempDir
    private Path folder;

    @Test
    void everyRangeOfAParameterIsReadFromTheBoxesOfAllFiles() {
        List<StoredFile> stored = List.of(part(0, 0, 9), part(1, 9, 17), part(2, 17, 24));
        try (CheckpointFiles files = CheckpointFiles.open(stored);
                TensorScope scope = new TensorScope()) {
            StoredValues values = files.values("weight", "w");
            for (int from = 0; from <= 24; from++) {
                for (int until = from; until <= 24; until++) {
                    Tensor target = HostTensors.zeros(ScalarType.Float, until - from);
                    values.copyInto(from, until, target);
                    assertThat(read(target)).as("%d to %d", from, until).isEqualTo(counted(from, until));
                }
            }
            assertThat(values.tensor().size(0)).isEqualTo(4);
            assertThat(read(values.tensor().view(-1L))).isEqualTo(counted(0, 24));
        }
    }

    @Test
    void theOrderOfTheFilesDoesNotMatter() {
        List<StoredFile> stored = List.of(part(2, 17, 24), part(0, 0, 9), part(1, 9, 17));
        try (CheckpointWeights weights = CheckpointWeights.open(stored);
                TensorScope scope = new TensorScope()) {
            assertThat(read(weights.tensor("w").view(-1L))).isEqualTo(counted(0, 24));
        }
    }

    @Test
    void aParameterInOneBoxIsAViewOfItsFileAndOneInSeveralIsNot() {
        try (CheckpointWeights whole = CheckpointWeights.open(List.of(part(0, 0, 24)));
                CheckpointWeights cut = CheckpointWeights.open(List.of(part(1, 0, 9), part(2, 9, 24)));
                TensorScope scope = new TensorScope()) {
            assertThat(whole.tensor("w").data_ptr().address())
                    .isEqualTo(whole.tensor("w").data_ptr().address());
            Tensor first = cut.tensor("w");
            assertThat(cut.tensor("w").data_ptr().address())
                    .isNotEqualTo(first.data_ptr().address());
        }
    }

    @Test
    void whatNoFileHasIsRefusedWithItsElements() {
        refused(List.of(part(0, 2, 9), part(2, 17, 22)), """
                : is not a whole checkpoint:
                  w: elements 0 to 1 of 24 are in no file
                  w: elements 9 to 16 of 24 are in no file
                  w: elements 22 to 23 of 24 are in no file""");
    }

    @Test
    void whatTwoFilesHaveIsRefusedWithTheirNames() {
        refused(
                List.of(part(0, 0, 12), part(1, 11, 24)),
                "w: elements from 11 on are in rank-00000.safetensors and again in rank-00001.safetensors");
        refused(
                List.of(part(0, 0, 24), part(1, 3, 5)),
                "w: elements from 3 on are in rank-00000.safetensors and again in rank-00001.safetensors");
    }

    @Test
    void aFileThatIsNotThereIsNamed() throws IOException {
        List<StoredFile> stored = List.of(part(0, 0, 9), part(1, 9, 24));
        Files.delete(stored.get(1).path());
        assertThatThrownBy(() -> CheckpointFiles.open(stored).close())
                .isInstanceOf(MissingFileException.class)
                .hasMessageContaining("rank-00001.safetensors");
    }

    @Test
    void aTruncatedFileIsRefusedWithItsName() throws IOException {
        List<StoredFile> stored = List.of(part(0, 0, 9), part(1, 9, 24));
        byte[] content = Files.readAllBytes(stored.get(1).path());
        Files.write(stored.get(1).path(), Arrays.copyOf(content, content.length - 1));
        refused(stored, "rank-00001.safetensors");
    }

    @Test
    void boxesThatLieAreAllToldWithFileAndKey() {
        StoredFile honest = part(0, 0, 24);
        refused(
                List.of(new StoredFile(
                        honest.path(),
                        List.of(
                                new StoredBox("w", "w", "weight", SHAPE, List.of(0L, 0L), List.of(3L, 6L)),
                                new StoredBox("w", "v", "weight", SHAPE, List.of(0L, 0L), SHAPE),
                                new StoredBox("x", "x", "weight", SHAPE, List.of(0L, 0L), SHAPE),
                                new StoredBox("y", "y", "weight", SHAPE, List.of(1L, 0L), SHAPE)))),
                """
                : is not a whole checkpoint:
                  rank-00000.safetensors: w: has shape [4, 6], the manifest says [3, 6]
                  rank-00000.safetensors: w: is in the manifest twice
                  rank-00000.safetensors: x: the manifest lists it, but it is not in the file
                  rank-00000.safetensors: y: has extent [4, 6] at [1, 0], which is not inside of shape [4, 6]""");
    }

    @Test
    void boxesThatAreNotOfOneParameterAreRefused() {
        StoredFile first = part(0, 0, 12);
        StoredFile wider = write(1, StoredBox.of("w", "weight", List.of(5L, 6L), 12, 30), HostTensors::zeros, METADATA);
        refused(
                List.of(first, wider),
                "w: is of F32 [4, 6] in rank-00000.safetensors, of F32 [5, 6] in rank-00001.safetensors");
        StoredFile narrow = write(
                1,
                StoredBox.of("w", "weight", SHAPE, 12, 24),
                (type, shape) -> HostTensors.zeros(ScalarType.BFloat16, shape),
                METADATA);
        refused(
                List.of(first, narrow),
                "w: is of F32 [4, 6] in rank-00000.safetensors, of BF16 [4, 6] in rank-00001.safetensors");
    }

    @Test
    void filesOfDifferentStepsAreNoCheckpoint() {
        Map<String, String> later = new LinkedHashMap<>(METADATA);
        later.put("step", "8");
        StoredFile other = write(1, StoredBox.of("w", "weight", SHAPE, 12, 24), HostTensors::zeros, later);
        refused(
                List.of(part(0, 0, 12), other),
                "rank-00001.safetensors: its metadata has step = 8, that of rank-00000.safetensors has 7");
    }

    @Test
    void aThousandProblemsAreToldInTwentyLines() {
        StoredFile honest = part(0, 0, 24);
        List<StoredBox> lies = new ArrayList<>(honest.boxes());
        for (int i = 0; i < 1_000; i++) {
            lies.add(new StoredBox("x\u001b[31m" + i, "x", "weight", SHAPE, List.of(0L, 0L), SHAPE));
        }
        assertThatThrownBy(() -> CheckpointFiles.open(List.of(new StoredFile(honest.path(), lies)))
                        .close())
                .hasMessageContaining("x\\u001b[31m0: the manifest lists it")
                .hasMessageEndingWith("and 980 more")
                .satisfies(
                        e -> assertThat(String.valueOf(e.getMessage()).lines()).hasSize(22));
    }

    @Test
    void flippedBitsAreReadOrRefusedButNeverCrash() throws IOException {
        List<StoredFile> stored = List.of(part(0, 0, 9), part(1, 9, 24));
        byte[] honest = Files.readAllBytes(stored.get(1).path());
        Random random = new Random(5);
        int refusals = 0;
        for (int i = 0; i < 400; i++) {
            byte[] flipped = honest.clone();
            flipped[random.nextInt(flipped.length)] ^= (byte) (1 << random.nextInt(8));
            Files.write(stored.get(1).path(), flipped);
            try (CheckpointWeights weights = CheckpointWeights.open(stored);
                    TensorScope scope = new TensorScope()) {
                assertThat(weights.tensor("w").numel()).isEqualTo(24);
            } catch (InvalidFileException e) {
                assertThat(e).hasMessageContaining("rank-00001.safetensors");
                refusals++;
            }
        }
        assertThat(refusals).isBetween(100, 399);
    }

    private static void refused(List<StoredFile> stored, String message) {
        assertThatThrownBy(() -> CheckpointFiles.open(stored).close())
                .isInstanceOf(InvalidFileException.class)
                .hasMessageContaining(message);
    }

    /** A file with the elements [from, until) of w, each of which is its own number. */
    private StoredFile part(int rank, long from, long until) {
        List<StoredBox> boxes = StoredBox.of("w", "weight", SHAPE, from, until);
        long[] next = {from};
        return write(
                rank,
                boxes,
                (type, shape) -> {
                    long begin = next[0];
                    next[0] += Arrays.stream(shape).reduce(1, (a, b) -> a * b);
                    return torch.arange(new Scalar(begin), new Scalar(next[0]))
                            .to(type)
                            .view(shape);
                },
                METADATA);
    }

    private interface Values {
        Tensor of(ScalarType type, long... shape);
    }

    private StoredFile write(int rank, List<StoredBox> boxes, Values values, Map<String, String> metadata) {
        Path file = folder.resolve("rank-%05d.safetensors".formatted(rank));
        try (TensorScope scope = new TensorScope()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            boxes.forEach(box -> tensors.put(
                    box.key(),
                    values.of(
                            ScalarType.Float,
                            box.extent().stream().mapToLong(Long::longValue).toArray())));
            SafetensorsWriter.write(file, tensors, metadata);
        }
        return new StoredFile(file, boxes);
    }

    private static float[] counted(int from, int until) {
        float[] numbers = new float[until - from];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = from + i;
        }
        return numbers;
    }

    private static float[] read(Tensor tensor) {
        float[] values = new float[(int) tensor.numel()];
        if (values.length > 0) {
            tensor.contiguous().<FloatBuffer>createBuffer().get(values);
        }
        return values;
    }
}
