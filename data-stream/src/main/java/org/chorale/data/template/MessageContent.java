// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.Blanks;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.Search;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.Value;

/** What messages say: a text as {@code content}, or a list of parts with texts. */
final class MessageContent {
    /** A character for private use, which no template looks for. */
    static final String MARK = "\uE000";

    /** What tells messages and their parts apart, and is not said. */
    private static final Set<String> KINDS = Set.of("role", "type");

    private MessageContent() {}

    static boolean hasRole(Value message, String role) {
        return message instanceof DictValue dict
                && dict.get("role") instanceof StrValue text
                && text.text().equals(role);
    }

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
            altered.put(item.get(0), isMarked ? marked(item.get(1), budget) : item.get(1), budget);
        }
        return altered;
    }

    private static Value marked(Value content, Budget budget) {
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

    /** The message with the mark for all that it says: every text in it but its role and the types of its parts. */
    static Value blank(Value value, Budget budget) {
        budget.enter();
        Value blank = value;
        if (value instanceof StrValue || value == NoneValue.NONE) {
            blank = StrValue.of(MARK);
        } else if (value instanceof ListValue list) {
            List<Value> elements = new ArrayList<>();
            list.elements().forEach(element -> elements.add(blank(element, budget)));
            blank = new ListValue(elements);
        } else if (value instanceof DictValue dict) {
            DictValue entries = new DictValue();
            dict.items().forEachRemaining(item -> {
                List<Value> entry = ((TupleValue) item).elements();
                boolean isKind = entry.get(0) instanceof StrValue name && KINDS.contains(name.text());
                entries.put(entry.get(0), isKind ? entry.get(1) : blank(entry.get(1), budget), budget);
            });
            blank = entries;
        }
        budget.leave();
        return blank;
    }

    /** A message that says the mark. */
    static Value marked(String role, Budget budget) {
        DictValue message = new DictValue();
        message.put(StrValue.of("role"), StrValue.of(role), budget);
        message.put(StrValue.of("content"), StrValue.of(MARK), budget);
        return message;
    }
}
