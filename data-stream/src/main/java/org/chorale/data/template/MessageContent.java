// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.Blanks;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.Search;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.Value;

/** What messages say: a text as {@code content}, or a list of parts with texts. */
final class MessageContent {
    /** A character for private use, which no template looks for. */
    static final String MARK = "\uE000";

    private MessageContent() {}

    /**
     * Whether a text has the last line of all that a message says. Templates trim what is said, and some leave out
     * what was thought before it; none leaves out its end.
     */
    static boolean isIn(Value message, String text, Budget budget) {
        return said(message).stream().allMatch(said -> Search.indexOf(text, lastLine(said), 0, budget) >= 0);
    }

    private static String lastLine(String text) {
        String trimmed = Blanks.strip(text);
        return Blanks.strip(trimmed.substring(trimmed.lastIndexOf('\n') + 1));
    }

    private static List<String> said(Value message) {
        Value content = message instanceof DictValue dict ? dict.get("content") : null;
        List<String> said = new ArrayList<>();
        if (content instanceof StrValue text) {
            said.add(text.text());
        } else if (content instanceof ListValue parts) {
            for (Value part : parts.elements()) {
                if (part instanceof DictValue dict && dict.get("text") instanceof StrValue text) {
                    said.add(text.text());
                }
            }
        }
        return said;
    }

    /** The message with nothing but a mark for what it says; one that says it in parts stays as it is. */
    static Value marked(Value message, Budget budget) {
        if (!(message instanceof DictValue dict) || dict.get("content") instanceof ListValue) {
            return message;
        }
        DictValue marked = new DictValue();
        for (Iterator<Value> items = dict.items(); items.hasNext(); ) {
            List<Value> item = ((TupleValue) items.next()).elements();
            marked.put(item.get(0), item.get(1), budget);
        }
        marked.put(StrValue.of("content"), StrValue.of(MARK), budget);
        return marked;
    }

    /** The message with a mark amid each text that it says, so that both ends stay what a template may look for. */
    static Value altered(Value message, Budget budget) {
        return message instanceof DictValue dict ? replaced(dict, "content", budget) : message;
    }

    private static Value replaced(DictValue dict, String marked, Budget budget) {
        DictValue altered = new DictValue();
        for (Iterator<Value> items = dict.items(); items.hasNext(); ) {
            List<Value> item = ((TupleValue) items.next()).elements();
            boolean isMarked =
                    item.get(0) instanceof StrValue name && name.text().equals(marked);
            altered.put(item.get(0), isMarked ? withMark(item.get(1), budget) : item.get(1), budget);
        }
        return altered;
    }

    private static Value withMark(Value content, Budget budget) {
        if (content instanceof StrValue text && !text.text().isEmpty()) {
            int middle = text.unit(text.length() / 2);
            return StrValue.of(
                    text.text().substring(0, middle) + MARK + text.text().substring(middle));
        } else if (!(content instanceof ListValue parts)) {
            return content;
        } else {
            List<Value> altered = new ArrayList<>();
            for (Value part : parts.elements()) {
                altered.add(part instanceof DictValue dict ? replaced(dict, "text", budget) : part);
            }
            return new ListValue(altered);
        }
    }
}
