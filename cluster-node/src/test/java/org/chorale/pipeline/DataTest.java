// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DataTest {
    @TempDir
    Path runDirectory;

    @Test
    void theRowsOfAnotherRunAreNotOverwritten() {
        Path file = runDirectory.resolve("data").resolve("rows.jsonl");
        Data.of(List.of(new long[] {1, 2}, new long[] {3})).write(runDirectory);
        Data.of(List.of(new long[] {1, 2}, new long[] {3})).write(runDirectory);

        assertThatThrownBy(() -> Data.of(List.of(new long[] {4})).write(runDirectory))
                .hasMessageContaining(file + " holds the rows of another run");
        assertThat(file).hasContent("{\"input_ids\":[1,2]}\n{\"input_ids\":[3]}\n");
    }
}
