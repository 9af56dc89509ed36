// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.chorale.data.table.TableException;
import org.chorale.data.table.Tables;
import org.junit.jupiter.api.Test;

class JsonTableTest {
    @Test
    void aListOfObjectsAndObjectsAfterEachOtherAreTheSame() throws Exception {
        String[] rows = {"{\"a\":{\"b\":[1,null]}}", "{\"c\":\"ü\\n\"}"};
        assertThat(converted("[\n  {\"a\": {\"b\": [1, null]}},\n  {\"c\": \"ü\\n\"}\n]"))
                .containsExactly(rows);
        assertThat(converted("{\"a\": {\"b\": [1, null]}}\n\n{\"c\": \"ü\\n\"}"))
                .containsExactly(rows);
        assertThat(converted(" [] ")).isEmpty();
    }

    @Test
    void whatIsNoListOfObjectsIsRefusedWithItsLine() {
        assertRefused("[{\"a\": 1},\n 2]", "has something at line 2 that is no object");
        assertRefused("[{\"a\": 1}] []", "goes on after its list");
        assertRefused("[{\"a\": 1}", "is not JSON at line 1");
        assertRefused("[{\"a\": 1, \"a\": 2}]", "is not JSON at line 1: Duplicate field 'a'");
        assertRefused("[{\"a\": ", "is not JSON at line 1");
        assertRefused("[" + "{\"a\":".repeat(200), "is not JSON");
    }

    private static void assertRefused(String json, String why) {
        assertThatThrownBy(() -> converted(json))
                .isInstanceOf(TableException.class)
                .hasMessageStartingWith(why);
    }

    private static List<String> converted(String json) throws IOException, TableException {
        return Tables.lines(
                rows -> JsonTable.convert(new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), rows));
    }
}
