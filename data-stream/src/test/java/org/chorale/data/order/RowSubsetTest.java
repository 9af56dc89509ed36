// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RowSubsetTest {
    /** Written down: whoever changes the order changes which rows old runs were evaluated on. */
    private static final long[] FIRST = {65, 78, 206, 393, 399, 512};

    @ParameterizedTest
    @CsvSource({"2,1", "10,3", "1000,20", "4097,4096", "257,1", "50,0"})
    void heldOutAndOtherRowsAreDisjointAndAllThereAre(long rows, long heldOut) {
        RowSubset rest = RowSubset.rest(rows, heldOut);
        RowSubset held = heldOut == 0 ? null : RowSubset.heldOut(rows, heldOut);
        long[] all = LongStream.concat(rowsOf(rest), held == null ? LongStream.empty() : rowsOf(held))
                .sorted()
                .toArray();
        assertThat(all).isEqualTo(LongStream.range(0, rows).toArray());
        assertThat(rest.count()).isEqualTo(rows - heldOut);
    }

    @ParameterizedTest
    @CsvSource({"2,1", "1000,20", "4097,4096", "257,1"})
    void membershipAgreesWithTheRowsThatAreGivenOut(long rows, long heldOut) {
        RowSubset held = RowSubset.heldOut(rows, heldOut);
        RowSubset rest = RowSubset.rest(rows, heldOut);
        assertThat(rowsOf(held).allMatch(held::contains)).isTrue();
        assertThat(rowsOf(held).noneMatch(rest::contains)).isTrue();
        assertThat(rowsOf(rest).allMatch(rest::contains)).isTrue();
        assertThat(rowsOf(rest).noneMatch(held::contains)).isTrue();
    }

    @Test
    void heldOutRowsAreSpreadAndStayTheSame() {
        long[] rows = rowsOf(RowSubset.heldOut(10_000, 100)).sorted().toArray();
        assertThat(LongStream.of(rows).average().orElseThrow()).isBetween(4000.0, 6000.0);
        assertThat(rowsOf(RowSubset.heldOut(10_000, 100)).sorted().toArray()).isEqualTo(rows);
        assertThat(rows).startsWith(FIRST);
    }

    @Test
    void everythingIsItselfInOrder() {
        RowSubset all = RowSubset.all(7);
        assertThat(rowsOf(all).toArray()).isEqualTo(LongStream.range(0, 7).toArray());
        assertThat(all.contains(7)).isFalse();
        assertThat(all.contains(6)).isTrue();
    }

    @Test
    void aNumberBeyondIsRefused() {
        assertThatThrownBy(() -> RowSubset.heldOut(10, 3).row(3)).hasMessageContaining("row 3 is not in [0, 3)");
    }

    private static LongStream rowsOf(RowSubset subset) {
        return LongStream.range(0, subset.count()).map(subset::row);
    }
}
