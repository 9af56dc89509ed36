// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.CRC32C;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LogProbabilitiesTest {
    private static final Map<String, String> ORIGIN = Map.of("model", "llama");

    @TempDir
    private Path folder;

    @Test
    void whatIsWrittenIsFoundAndNothingElse() throws IOException {
        SortedMap<SequenceKey, Double> values = values(1000);
        LogProbabilities read = LogProbabilities.open(write(values));
        assertThat(read.count()).isEqualTo(1000);
        assertThat(read.origin()).isEqualTo(ORIGIN);
        assertThat(read.toMap()).isEqualTo(values);
        values.forEach((key, value) -> assertThat(read.find(key)).hasValue(value));
        SequenceKey other =
                new SequenceKey(values.firstKey().high(), values.firstKey().low() + 1);
        assertThat(read.find(other)).isEmpty();
        assertThat(LogProbabilities.open(write(new TreeMap<>())).find(other)).isEmpty();
    }

    @Test
    void aKeyIsOfTokensAndLabelsAlone() {
        long[] tokens = {7, 8, 9, 0, 7, 8, 9};
        long[] labels = {-100, 8, 9, -100, -100, 8, 9};
        SequenceKey key = SequenceKey.of(tokens, labels, 0, 3);
        assertThat(SequenceKey.of(tokens, labels, 4, 3)).isEqualTo(key);
        assertThat(SequenceKey.of(tokens, labels, 0, 2)).isNotEqualTo(key);
        assertThat(SequenceKey.of(tokens, tokens, 0, 3)).isNotEqualTo(key);
    }

    @Test
    void anotherOriginIsToldByItsName() throws IOException {
        LogProbabilities read = LogProbabilities.open(write(values(1)));
        assertThat(read.differences(ORIGIN)).isEmpty();
        assertThat(read.differences(Map.of("model", "gemma"))).containsExactly("model is llama there, gemma here");
        assertThat(read.differences(Map.of("data", "chats"))).containsExactly("data is not said there, chats here");
    }

    @Test
    void everyTruncationAndEveryFlippedBitIsRefusedWithTheFilesName() throws IOException {
        byte[] whole = Files.readAllBytes(write(values(3)));
        for (int i = 0; i < whole.length; i++) {
            byte[] flipped = whole.clone();
            flipped[i] ^= 4;
            assertMalformed(flipped);
            assertMalformed(Arrays.copyOf(whole, i));
        }
    }

    @Test
    void whatIsWrongUnderARightChecksumIsRefusedToo() throws IOException {
        byte[] whole = Files.readAllBytes(write(values(2)));
        int last = whole.length - Long.BYTES - LogProbabilities.ENTRY_BYTES;
        assertThat(malformed(changed(whole, last + 2 * Long.BYTES, Double.doubleToLongBits(Double.NaN))))
                .contains("has NaN for a sequence");
        assertThat(malformed(changed(whole, last, Long.MIN_VALUE))).contains("out of order");
        assertThat(malformed(changed(whole, Long.BYTES, Long.MAX_VALUE))).contains("breaks its format");
    }

    @Test
    void aFileThatIsMissingOrAnothersIsTold() throws IOException {
        Path missing = folder.resolve("missing");
        assertThatThrownBy(() -> LogProbabilities.open(missing))
                .hasMessage(missing + " does not exist: chorale precompute RUN.conf writes it");
        Path other = Files.writeString(folder.resolve("other"), "{\"prompt\": \"a row of somebody's data\"}");
        assertThat(LogProbabilities.mayStandAt(other)).isFalse();
        assertThat(LogProbabilities.mayStandAt(missing)).isTrue();
        assertThat(LogProbabilities.mayStandAt(write(values(1)))).isTrue();
    }

    private void assertMalformed(byte[] bytes) throws IOException {
        assertThat(malformed(bytes)).startsWith(folder.resolve("bad").toString());
    }

    private String malformed(byte[] bytes) throws IOException {
        Path bad = Files.write(folder.resolve("bad"), bytes);
        FaultException refused = catchThrowableOfType(FaultException.class, () -> LogProbabilities.open(bad));
        assertThat(refused.fault().code()).isEqualTo(FaultCode.FILE_MALFORMED);
        return refused.fault().message();
    }

    /** With another number at a place, and the checksum that goes with it. */
    private static byte[] changed(byte[] whole, int at, long number) {
        ByteBuffer changed = ByteBuffer.wrap(whole.clone()).putLong(at, number);
        int end = whole.length - Long.BYTES;
        CRC32C checksum = new CRC32C();
        checksum.update(changed.slice(0, end));
        return changed.putLong(end, checksum.getValue()).array();
    }

    private static SortedMap<SequenceKey, Double> values(int count) {
        Random random = new Random(count);
        SortedMap<SequenceKey, Double> values = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            values.put(new SequenceKey(random.nextLong(), random.nextLong()), -random.nextDouble());
        }
        return values;
    }

    private Path write(SortedMap<SequenceKey, Double> values) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        LogProbabilitiesWriter.write(out, ORIGIN, values);
        return Files.write(folder.resolve("file.logps"), out.toByteArray());
    }
}
