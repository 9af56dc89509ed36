// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.csv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.chorale.data.table.TableException;
import org.chorale.data.table.Tables;
import org.junit.jupiter.api.Test;

class CsvTableTest {
    @Test
    void quotesNewlinesAndCommasAreParts() throws Exception {
        assertThat(converted("a,b\r\n\"x, \"\"y\"\"\",\"one\r\ntwo\"\r\n,z\r\n"))
                .containsExactly("{\"a\":\"x, \\\"y\\\"\",\"b\":\"one\\r\\ntwo\"}", "{\"a\":\"\",\"b\":\"z\"}");
    }

    @Test
    void aByteOrderMarkAndTheLackOfALastNewlineDoNotMatter() throws Exception {
        assertThat(converted("\uFEFF\"a\",b\n1,2")).containsExactly("{\"a\":\"1\",\"b\":\"2\"}");
    }

    @Test
    void linesEndAsTheyDoAnywhereAndEmptyOnesArePassedOver() throws Exception {
        assertThat(converted("a\r1\r\r2\r")).containsExactly("{\"a\":\"1\"}", "{\"a\":\"2\"}");
    }

    @Test
    void tabsSeparateTheCellsOfATsvFile() throws Exception {
        assertThat(Tables.lines(rows -> CsvTable.convert(in("a\tb\n1,5\t\"2\t3\"\n"), '\t', rows)))
                .containsExactly("{\"a\":\"1,5\",\"b\":\"2\\t3\"}");
    }

    @Test
    void aRaggedRowIsOneThatCannotBeUsedAndSaysItsLine() throws Exception {
        assertThat(converted("a,b\n\"1\n1\",2\n3\n4,5,6\n7,8\n"))
                .containsExactly(
                        "{\"a\":\"1\\n1\",\"b\":\"2\"}",
                        "!the row of line 4 has 1 cells; must have 2, one for each column",
                        "!the row of line 5 has 3 cells; must have 2, one for each column",
                        "{\"a\":\"7\",\"b\":\"8\"}");
    }

    @Test
    void aColumnWithoutANameIsLeftOut() throws Exception {
        assertThat(converted(",text\n0,x\n1,y\n")).containsExactly("{\"text\":\"x\"}", "{\"text\":\"y\"}");
    }

    @Test
    void namesThatCannotBeToldApartAreRefused() {
        assertRefused("a,b,a\n1,2,3\n", "has two columns a");
        assertRefused("", "is empty; must begin with a line of column names");
        assertRefused("\n\n", "is empty; must begin with a line of column names");
        assertRefused(",\n1,2\n", "has no column names");
    }

    @Test
    void quotesThatDoNotCloseAreRefused() {
        assertRefused("a,b\n1,2\n\"3,4\n5,6\n", "cannot be read after line 2");
        assertRefused("a,b\n1,\"2\"x\n", "cannot be read after line 1");
    }

    @Test
    void whatIsNoUtf8IsRefused() {
        byte[] latin = "a,b\n1,größe\n".getBytes(StandardCharsets.ISO_8859_1);
        assertThatThrownBy(() -> Tables.lines(rows -> CsvTable.convert(new ByteArrayInputStream(latin), ',', rows)))
                .isInstanceOf(TableException.class)
                .hasMessageContaining("is not valid UTF-8");
    }

    private static void assertRefused(String csv, String why) {
        assertThatThrownBy(() -> converted(csv))
                .isInstanceOf(TableException.class)
                .hasMessageStartingWith(why);
    }

    private static List<String> converted(String csv) throws IOException, TableException {
        return Tables.lines(rows -> CsvTable.convert(in(csv), ',', rows));
    }

    private static ByteArrayInputStream in(String csv) {
        return new ByteArrayInputStream(csv.getBytes(StandardCharsets.UTF_8));
    }
}
