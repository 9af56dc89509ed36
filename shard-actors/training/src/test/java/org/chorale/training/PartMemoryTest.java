// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.chorale.tensor.safetensors.StoredType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A rank has memory for its part of a model, and an export for one parameter of it. */
final class PartMemoryTest {
    private static final long MIB_KILOBYTES = 1024;

    /**
     * Beside the buffers that a rank holds: what libtorch and the JVM allocate on first use; 1.3 MiB were measured. A
     * sixteenth of the largest parameter, which therefore is never whole.
     */
    private static final long OVERHEAD_KILOBYTES = 16 * MIB_KILOBYTES;

    /** Pages around those that were asked for, of which the kernel maps 16 at once: 2.7 MiB were measured. */
    private static final long AROUND_KILOBYTES = 8 * MIB_KILOBYTES;

    private static final int RANKS = 4;

    @TempDir
    private Path directory;

    @Test
    void aRankOfFourLoadsAQuarterOfAModelOfAGigabyte() throws Exception {
        long modelKilobytes = SparseModel.write(directory, 65_536, 8, StoredType.F32) / 1024;
        assertThat(modelKilobytes).isBetween(1_000 * MIB_KILOBYTES, 1_100 * MIB_KILOBYTES);
        List<String> measured = ProbeProcess.run(PartProbe.class, "load", directory.toString(), "1", "" + RANKS);
        long parameters = number(measured, "parameterKilobytes");
        assertThat(parameters).isBetween(modelKilobytes / RANKS, modelKilobytes / RANKS + 64);
        assertThat(number(measured, "peakKilobytes"))
                .as("%s", measured)
                .isBetween(parameters, parameters + OVERHEAD_KILOBYTES);
        assertThat(number(measured, "mappedKilobytes"))
                .as("%s", measured)
                .isBetween(modelKilobytes / RANKS - 64, modelKilobytes / RANKS + AROUND_KILOBYTES);
    }

    @Test
    void anExportHoldsOneParameterOfAModelAtATime() throws Exception {
        int vocabulary = 16_384;
        long bf16Kilobytes = SparseModel.write(directory, vocabulary, 1, StoredType.BF16) / 1024;
        long largest = vocabulary * 1024L * Float.BYTES / 1024;
        List<String> measured = ProbeProcess.run(PartProbe.class, "export", directory.toString(), "" + RANKS);
        assertThat(number(measured, "peakKilobytes"))
                .as("%s: in fp32 as the checkpoint has it, and in bf16 as the folder", measured)
                .isBetween(largest / 2, largest + largest / 2 + OVERHEAD_KILOBYTES);
        assertThat(2 * bf16Kilobytes).as("the model").isGreaterThan(2 * largest + OVERHEAD_KILOBYTES);
    }

    private static long number(List<String> lines, String name) {
        String line = lines.stream().filter(l -> l.startsWith(name)).findFirst().orElseThrow();
        return Long.parseLong(line.split(" ", -1)[1]);
    }
}
