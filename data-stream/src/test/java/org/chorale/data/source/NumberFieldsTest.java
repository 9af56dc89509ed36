// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class NumberFieldsTest {
    private static final NumberFields FIELDS = new NumberFields(Map.of("point", 2, "mass", 1));

    @Test
    void fieldsAreReadInTheOrderOfTheirNamesAndOthersPassedOver() throws MalformedRowException {
        assertThat(parse("{\"point\": [0.25, -3], \"note\": \"x\", \"mass\": 1e-3}")
                        .values())
                .containsExactly(1e-3f, 0.25f, -3);
        assertThat(parse("{\"mass\": [7], \"point\": [1, 2]}").values()).containsExactly(7, 1, 2);
        assertThat(FIELDS.named(new float[] {7, 1, 2})).isEqualTo("mass = [7.0]\npoint = [1.0, 2.0]");
        assertThat(FIELDS.count()).isEqualTo(3);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"mass\": 1}|the row has no field point; must be a list of 2 numbers",
                "{\"mass\": 1, \"point\": 5}|field point is a number; must be a list of 2 numbers",
                "{\"mass\": 1, \"point\": [5]}|field point is a list of 1; must be a list of 2 numbers",
                "{\"mass\": 1, \"point\": [5, 6, 7]}|field point is a list of 3; must be a list of 2 numbers",
                "{\"mass\": 1, \"point\": [5, null]}|element 1 of point is null; must be a number that fp32 can hold",
                "{\"mass\": 1, \"point\": [5, 1e39]}|element 1 of point is 1.0E39; must be a number that fp32 can hold",
                "{\"mass\": [], \"point\": [5, 6]}|field mass is a list of 0; must be a number",
                "{\"mass\": \"1\", \"point\": [[5], 6]}|element 0 of mass is a text; must be a number that fp32 can hold; element 0 of point is an array; must be a number that fp32 can hold",
                "{}|the row has no field mass; must be a number; the row has no field point; must be a list of 2 numbers",
                "[1, 2]|the row is no JSON object; must be one object per line"
            })
    void everythingThatIsWrongWithARowIsTold(String row, String problem) {
        assertThatThrownBy(() -> parse(row))
                .isInstanceOf(MalformedRowException.class)
                .hasMessage(problem);
    }

    private static Example.Numbers parse(String row) throws MalformedRowException {
        return FIELDS.parse(ByteBuffer.wrap(row.getBytes(StandardCharsets.UTF_8)));
    }
}
