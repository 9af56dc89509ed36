// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Reads a row, an object on a line, as the example that its format makes of it; further columns are passed over. Safe to
 * use from many threads.
 */
final class RowParser {
    /** What a row is told by, before the fields of formats that are rare are read. */
    private static final Set<String> COMMON_TEXTS = Set.of("text", "prompt", "completion", "tools");

    private static final Set<String> COMMON_TREES = Set.of("messages", "tools", "input_ids", "prompt", "completion");

    private static final String RIGHT = "must be text, prompt and completion, messages, instruction and output,"
            + " conversations, or chosen and rejected";

    private final RowFormat format;
    private final Map<String, String> columns;
    private final RowFields common;
    private final NumberFields numbers;

    /** @param numbers in the place of texts, where there are any */
    RowParser(SourceConfig source, NumberFields numbers) {
        this.numbers = numbers;
        this.format = source.format();
        this.columns = source.columns();
        this.common = RowFields.of(COMMON_TEXTS, COMMON_TREES, columns);
    }

    /** The example in a row, without its line end. */
    Example parse(ByteBuffer row) throws MalformedRowException {
        if (numbers.areUsed()) {
            return numbers.parse(row);
        }
        return format == RowFormat.AUTO ? detected(row) : parse(row, format);
    }

    private Example parse(ByteBuffer row, RowFormat as) throws MalformedRowException {
        return switch (as) {
            case AUTO -> throw new IllegalArgumentException("a row is one format's");
            case MESSAGES -> Messages.of(read(row, Messages.TEXTS, Messages.FIELDS));
            case PROMPT_COMPLETION -> PlainRow.pair(read(row, PlainRow.PAIR, Set.of()));
            case TEXT -> PlainRow.text(read(row, PlainRow.TEXT, Set.of()));
            case ALPACA -> AlpacaRow.of(read(row, AlpacaRow.TEXTS, AlpacaRow.NULLS));
            case SHAREGPT -> ShareGptRow.of(read(row, ShareGptRow.TEXTS, ShareGptRow.TREES));
            case PREFERENCE -> PreferenceRow.of(read(row, PreferenceRow.TEXTS, PreferenceRow.TREES));
        };
    }

    private RowJson read(ByteBuffer row, Set<String> texts, Set<String> trees) throws MalformedRowException {
        return RowJson.parse(row.duplicate(), RowFields.of(texts, trees, columns));
    }

    /** What a row without a declared format is. An answer that is judged says more than the same answer alone. */
    private Example detected(ByteBuffer row) throws MalformedRowException {
        RowJson json = RowJson.parse(row.duplicate(), common);
        if (json.has("chosen") && json.has("rejected")) {
            return parse(row, RowFormat.PREFERENCE);
        } else if (json.has("label") && json.has("prompt") && json.has("completion") && !json.has("messages")) {
            RowJson rated = read(row, PreferenceRow.TEXTS, PreferenceRow.TREES);
            if (PreferenceRow.isRated(rated)) {
                return PreferenceRow.of(rated);
            }
        }
        List<RowFormat> others = new ArrayList<>();
        if (json.has("instruction") && json.has("output")) {
            others.add(RowFormat.ALPACA);
        }
        if (json.has("conversations")) {
            others.add(RowFormat.SHAREGPT);
        }
        return others.isEmpty() ? common(json) : parse(row, only(others, json));
    }

    private static RowFormat only(List<RowFormat> formats, RowJson json) throws MalformedRowException {
        List<String> words =
                new ArrayList<>(formats.stream().map(RowFormat::word).toList());
        Stream.of("text", "completion", "messages").filter(json::has).forEach(words::add);
        if (words.size() > 1) {
            throw new MalformedRowException(
                    "the row may be %s; say which by the source's format".formatted(String.join(" or ", words)));
        }
        return formats.get(0);
    }

    private static Example common(RowJson json) throws MalformedRowException {
        if (json.tree("messages") != null) {
            if (json.has("text") || json.has("completion")) { // a prompt alone is passed over
                throw new MalformedRowException("the row has messages and %s; leave out what is not to be trained"
                        .formatted(json.has("text") ? "text" : "completion"));
            }
            return Messages.of(json);
        } else if (json.has("text") || json.has("prompt") || json.has("completion")) {
            return PlainRow.textOrPair(json);
        }
        JsonNode ids = json.tree("input_ids"); // beside a text they are passed over
        if (ids != null) {
            return PlainRow.ids(ids);
        }
        throw new MalformedRowException("the row has %s; %s".formatted(json.said(), RIGHT));
    }
}
