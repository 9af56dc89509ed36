// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Boxes are runs of elements, and runs of elements are few boxes. */
final class StoredBoxTest {
    @ParameterizedTest
    @MethodSource("shapes")
    void everyRangeOfEveryShapeIsCutIntoFewBoxesThatFollowEachOther(List<Long> shape) {
        long elements = shape.stream().reduce(1L, Math::multiplyExact);
        int most = Math.max(1, 2 * shape.size() - 1);
        for (long from = 0; from < elements; from++) {
            for (long until = from + 1; until <= elements; until++) {
                List<StoredBox> boxes = StoredBox.of("w", "adam.m", shape, from, until);
                assertThat(boxes)
                        .hasSizeLessThanOrEqualTo(most)
                        .allSatisfy(
                                box -> assertThat(box.problem()).as("%s", box).isEmpty());
                assertThat(boxes.stream().flatMap(box -> elements(box).stream()))
                        .as("%d to %d of %s", from, until, shape)
                        .containsExactlyElementsOf(range(from, until));
            }
        }
    }

    static Stream<List<Long>> shapes() {
        return Stream.of(
                List.of(),
                List.of(1L),
                List.of(7L),
                List.of(3L, 5L),
                List.of(1L, 6L),
                List.of(4L, 1L),
                List.of(2L, 3L, 4L),
                List.of(2L, 1L, 3L, 2L));
    }

    @Test
    void aWholeParameterHasItsOwnNameAndAPartTheNumberOfItsFirstElement() {
        assertThat(keys(StoredBox.of("w", "weight", List.of(3L, 5L), 0, 15))).containsExactly("w");
        assertThat(keys(StoredBox.of("w", "adam.m", List.of(3L, 5L), 0, 15))).containsExactly("adam.m.w");
        assertThat(keys(StoredBox.of("w", "weight", List.of(3L, 5L), 0, 14))).containsExactly("w@0", "w@10");
        assertThat(keys(StoredBox.of("w", "adam.m", List.of(3L, 5L), 3, 11)))
                .containsExactly("adam.m.w@3", "adam.m.w@5", "adam.m.w@10");
        assertThat(keys(StoredBox.of("scale", "weight", List.of(), 0, 1))).containsExactly("scale");
    }

    @Test
    void noTwoRanksGiveTwoBoxesOneKey() {
        Set<String> keys = new HashSet<>();
        for (long from = 0; from < 60; from += 7) {
            StoredBox.of("w", "weight", List.of(3L, 4L, 5L), from, Math.min(60, from + 7))
                    .forEach(box -> assertThat(keys.add(box.key())).isTrue());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            3 5 | 0 0 | 3     | has offset [0, 0] and extent [3] in shape [3, 5]
            3 5 | 0   | 3 5   | has offset [0] and extent [3, 5] in shape [3, 5]
            3 5 | 1 0 | 3 5   | has extent [3, 5] at [1, 0], which is not inside of shape [3, 5]
            3 5 | -1 0 | 1 5  | has extent [1, 5] at [-1, 0], which is not inside of shape [3, 5]
            3 5 | 0 0 | 0 5   | has extent [0, 5] at [0, 0], which is not inside of shape [3, 5]
            3 0 | 0 0 | 3 0   | has extent [3, 0] at [0, 0], which is not inside of shape [3, 0]
            3 5 | 0 1 | 2 4   | has extent [2, 4] in shape [3, 5], whose elements do not follow each other
            3 5 | 9223372036854775807 0 | 1 5 | has extent [1, 5] at [9223372036854775807, 0], which is not inside
            4294967296 4294967296 | 0 0 | 1 1 | has shape [4294967296, 4294967296], which overflows
            """)
    void aBoxThatCannotBeIsToldFrom(String shape, String offset, String extent, String problem) {
        assertThat(new StoredBox("w@0", "w", "weight", longs(shape), longs(offset), longs(extent)).problem())
                .startsWith(problem);
    }

    private static List<Long> longs(String words) {
        return Stream.of(words.strip().split(" ", -1)).map(Long::valueOf).toList();
    }

    private static List<String> keys(List<StoredBox> boxes) {
        return boxes.stream().map(StoredBox::key).toList();
    }

    private static List<Long> range(long from, long until) {
        return Stream.iterate(from, n -> n < until, n -> n + 1).toList();
    }

    /** The row-major numbers of a box's elements, counted out one dimension after the other. */
    private static List<Long> elements(StoredBox box) {
        List<Long> numbers = List.of(0L);
        for (int i = 0; i < box.shape().size(); i++) {
            List<Long> deeper = new ArrayList<>();
            for (long number : numbers) {
                for (long index = box.offset().get(i);
                        index < box.offset().get(i) + box.extent().get(i);
                        index++) {
                    deeper.add(number * box.shape().get(i) + index);
                }
            }
            numbers = deeper;
        }
        return numbers;
    }
}
