// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.csv;

import com.fasterxml.jackson.core.JsonGenerator;
import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import de.siegmar.fastcsv.reader.FieldMismatchStrategy;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.chorale.data.table.JsonLines;
import org.chorale.data.table.TableException;

/**
 * Converts a CSV file as RFC 4180 has it, or one with tabs: a line of column names, then rows whose cells are all texts.
 * A column without a name is left out: pandas writes its index so.
 */
public final class CsvTable {
    private static final char BYTE_ORDER_MARK = '\uFEFF';

    private final List<String> columns;
    private final JsonLines rows;

    private CsvTable(List<String> columns, JsonLines rows) {
        this.columns = columns;
        this.rows = rows;
    }

    /**
     * Converts all rows. A row of more or fewer cells than there are names is one that cannot be used.
     *
     * @throws TableException where the text is no UTF-8, the quotes do not close, or the names cannot be told apart
     */
    public static void convert(InputStream in, char separator, JsonLines rows) throws IOException, TableException {
        long line = 1;
        try (CsvReader<CsvRecord> reader = CsvReader.builder()
                .fieldSeparator(separator)
                .allowUnclosedQuote(false)
                .extraFieldStrategy(FieldMismatchStrategy.IGNORE)
                .missingFieldStrategy(FieldMismatchStrategy.IGNORE)
                .ofCsvRecord(text(in))) {
            Iterator<CsvRecord> records = reader.iterator();
            if (!records.hasNext()) {
                throw new TableException("is empty; must begin with a line of column names");
            }
            CsvTable table = new CsvTable(names(records.next()), rows);
            while (records.hasNext()) {
                CsvRecord row = records.next();
                line = row.getStartingLineNumber();
                table.convert(row);
            }
        } catch (CsvParseException e) {
            throw new TableException("cannot be read after line %d: %s".formatted(line, reason(e)), e);
        } catch (CharacterCodingException e) {
            throw notUtf8(line, e);
        } catch (UncheckedIOException e) {
            if (e.getCause() instanceof CharacterCodingException) {
                throw notUtf8(line, e);
            }
            throw e.getCause();
        }
    }

    private void convert(CsvRecord row) throws IOException {
        if (row.getFieldCount() != columns.size()) {
            rows.problem("the row of line %d has %d cells; must have %d, one for each column"
                    .formatted(row.getStartingLineNumber(), row.getFieldCount(), columns.size()));
            return;
        }
        JsonGenerator json = rows.begin();
        for (int i = 0; i < columns.size(); i++) {
            if (!columns.get(i).isEmpty()) {
                json.writeStringField(columns.get(i), row.getField(i));
            }
        }
        rows.end();
    }

    private static List<String> names(CsvRecord header) throws TableException {
        Set<String> names = new HashSet<>();
        for (String name : header.getFields()) {
            if (!name.isEmpty() && !names.add(name)) {
                throw new TableException(
                        "has two columns %s; its first line must name each column once".formatted(name));
            }
        }
        if (names.isEmpty()) {
            throw new TableException("has no column names; its first line must name the columns");
        }
        return List.copyOf(header.getFields());
    }

    private static Reader text(InputStream in) throws IOException {
        Reader text = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder()));
        text.mark(1);
        if (text.read() != BYTE_ORDER_MARK) {
            text.reset();
        }
        return text;
    }

    private static TableException notUtf8(long line, Exception cause) {
        return new TableException("is not valid UTF-8 after line %d; must be saved as UTF-8".formatted(line), cause);
    }

    /** The library's own words for what is wrong stand in the cause. */
    private static String reason(CsvParseException e) {
        Throwable cause = e.getCause() == null ? e : e.getCause();
        return String.valueOf(cause.getMessage());
    }
}
