// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reading leaves nothing behind, neither memory nor mappings. */
final class FileMemoryTest {
    private static final int FILES = 2_000;
    private static final long MIB = 1 << 20;
    private static final long FILE_BYTES = 32 * MIB;

    /** Half a kilobyte for each file. A leaked handle of each of its 30 tensors costs forty times this. */
    private static final long BOUND_KIBIBYTES = 1024;

    /** A heap that is resident from the start, so that what grows is native. */
    private static final List<String> STEADY_HEAP =
            List.of("-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");

    @TempDir
    private Path folder;

    @Test
    void openingAndReadingTwoThousandTimesLeavesMemoryFlat() {
        assertThat(growthKibibytes("drop")).isLessThan(BOUND_KIBIBYTES);
    }

    @Test
    void aLeakOfEachTensorsHandleWouldBeSeen() {
        assertThat(growthKibibytes("leak")).isGreaterThan(10 * BOUND_KIBIBYTES);
    }

    /** Pages that the kernel maps beside the one that was asked for count as well; they are 16 at either end. */
    @Test
    void aPartOfATensorMapsItsOwnPagesAndTheHeadersAlone() throws IOException {
        assertThat(mappedKibibytes(3 * MIB, 5 * MIB)).isBetween(2 * MIB / 1024, 2 * MIB / 1024 + 3 * 64);
    }

    @Test
    void theWholeTensorMapsAllPages() throws IOException {
        assertThat(mappedKibibytes(0, FILE_BYTES)).isGreaterThanOrEqualTo(FILE_BYTES / 1024);
    }

    /** How much of a file of zeros this process has mapped after it has read a part. */
    private long mappedKibibytes(long from, long until) throws IOException {
        Path path = folder.resolve("zeros.safetensors");
        byte[] header =
                HandMade.bytes("{" + HandMade.entry("w", "U8", "[%d]".formatted(FILE_BYTES), 0, FILE_BYTES) + "}");
        HandMade.write(path, header);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(1), header.length + FILE_BYTES - 1);
        }
        try (PointerScope scope = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            assertThat(file.range("w", from, until).sum().item_int()).isZero();
            return residentKibibytes(path);
        }
    }

    private static long residentKibibytes(Path mapped) throws IOException {
        List<String> maps = Files.readAllLines(Path.of("/proc/self/smaps"), StandardCharsets.UTF_8);
        long resident = 0;
        for (int i = 0; i < maps.size(); i++) {
            if (maps.get(i).endsWith(mapped.toString())) {
                resident += maps.subList(i, i + 8).stream()
                        .filter(line -> line.startsWith("Rss:"))
                        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                        .sum();
            }
        }
        return resident;
    }

    private static long growthKibibytes(String use) {
        ChildProcess.Result result =
                ChildProcess.run(STEADY_HEAP, Reader.class, SafetensorsFileTest.LLAMA.toString(), use);
        assertThat(result.output()).matches("-?\\d+\\n");
        return Long.parseLong(result.output().strip());
    }

    /** Prints by how many KiB reading the file 2,000 times grows the process's anonymous memory after a warm-up. */
    static final class Reader {
        private static final List<Tensor> LEAKED = new ArrayList<>();

        private Reader() {}

        public static void main(String[] args) throws IOException {
            Path file = Path.of(args[0]);
            Consumer<Tensor> drop = tensor -> {};
            Consumer<Tensor> leak = tensor -> LEAKED.add(new Tensor(tensor).retainReference());
            readAll(file, drop);
            long before = residentKibibytes();
            readAll(file, args[1].equals("leak") ? leak : drop);
            System.out.println(residentKibibytes() - before);
        }

        private static void readAll(Path path, Consumer<Tensor> use) throws IOException {
            for (int i = 0; i < FILES; i++) {
                try (PointerScope scope = new PointerScope();
                        SafetensorsFile file = SafetensorsFile.open(path)) {
                    file.entries().forEach(entry -> use.accept(file.tensor(entry.name())));
                }
            }
        }

        /** Heap and native memory, without mapped files. */
        private static long residentKibibytes() throws IOException {
            return Files.readAllLines(Path.of("/proc/self/status"), StandardCharsets.UTF_8).stream()
                    .filter(line -> line.startsWith("RssAnon:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst()
                    .orElseThrow();
        }
    }
}
