// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Reads {@code inputs | context -> outputs | context}, each a list of tensors between commas, each list possibly empty.
 * Among the inputs and outputs a tensor of the context is marked by {@code ctx.}; after the bar the mark may be missing.
 */
final class ContractParser {
    private static final String ARROW = "->";
    private static final int MAX_LENGTH = 4_096;

    /** libtorch itself goes no further. */
    private static final int MAX_RANK = 64;

    private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_.-]*");
    private static final Pattern RANK = Pattern.compile("\\d{1,3}");
    private static final String RIGHT = "name:rank or name:rank:type";

    private final String component;
    private final String text;
    private final List<String> problems = new ArrayList<>();

    /** The flowing tensors and those of the context on one side of the arrow. */
    private record Side(List<TensorSpec> flowing, List<TensorSpec> context, Set<String> seen) {
        Side() {
            this(new ArrayList<>(), new ArrayList<>(), new HashSet<>());
        }
    }

    ContractParser(String component, String text) {
        this.component = component;
        this.text = text;
    }

    Contract parse() {
        Side before = new Side();
        Side after = new Side();
        int arrow = text.indexOf(ARROW);
        if (text.length() > MAX_LENGTH) {
            problem(
                    MAX_LENGTH,
                    "a contract has at most %d characters, this one %d".formatted(MAX_LENGTH, text.length()));
        } else if (arrow < 0) {
            problem(text.length(), "there is no \"->\"; must be \"inputs -> outputs\"");
        } else {
            int second = text.indexOf(ARROW, arrow + ARROW.length());
            if (second >= 0) {
                problem(second, "there is a second \"->\"; must be one");
            } else {
                side(0, arrow, before);
                side(arrow + ARROW.length(), text.length(), after);
            }
        }
        if (!problems.isEmpty()) {
            throw new ContractException(problems);
        }
        return new Contract(before.flowing, before.context, after.flowing, after.context);
    }

    private void side(int from, int until, Side side) {
        int bar = indexOf('|', from, until);
        int second = bar < 0 ? -1 : indexOf('|', bar + 1, until);
        if (second >= 0) {
            problem(second, "there is a second \"|\" on this side of the arrow; must be one");
            return;
        }
        list(from, bar < 0 ? until : bar, false, side);
        if (bar >= 0) {
            list(bar + 1, until, true, side);
        }
    }

    private void list(int from, int until, boolean context, Side side) {
        if (text.substring(from, until).isBlank()) {
            return;
        }
        int begin = from;
        while (begin <= until) {
            int comma = indexOf(',', begin, until);
            int end = comma < 0 ? until : comma;
            tensor(begin, end, context, side);
            begin = end + 1;
        }
    }

    private void tensor(int from, int until, boolean inContext, Side side) {
        String written = text.substring(from, until).strip();
        if (written.isEmpty()) {
            problem(from, "there is nothing between two commas; must be " + RIGHT);
            return;
        }
        int at = text.indexOf(written, from);
        boolean marked = written.startsWith(Contract.CONTEXT);
        String spec = marked ? written.substring(Contract.CONTEXT.length()) : written;
        Optional<TensorSpec> tensor = spec(at, written, spec);
        if (tensor.isEmpty()) {
            return;
        }
        boolean context = inContext || marked;
        String name = (context ? Contract.CONTEXT : "") + tensor.get().name();
        if (!side.seen.add(name)) {
            problem(at, name + " is declared twice on this side of the arrow; must be once");
        }
        (context ? side.context : side.flowing).add(tensor.get());
    }

    private Optional<TensorSpec> spec(int at, String written, String spec) {
        String[] parts = spec.split(":", -1);
        if (parts.length < 2 || parts.length > 3) {
            problem(at, "\"%s\" must be %s".formatted(written, RIGHT));
            return Optional.empty();
        }
        int before = problems.size();
        String name = parts[0].strip();
        if (!NAME.matcher(name).matches()) {
            problem(
                    at,
                    "the name \"%s\" in \"%s\" must be letters, digits, _, - and ., a letter or _ first"
                            .formatted(name, written));
        }
        int rank = rank(at, written, parts[1].strip());
        Optional<ElementType> type = parts.length == 3 ? type(at, written, parts[2].strip()) : Optional.empty();
        return problems.size() == before ? Optional.of(new TensorSpec(name, rank, type)) : Optional.empty();
    }

    private int rank(int at, String written, String rank) {
        if (!RANK.matcher(rank).matches() || Integer.parseInt(rank) > MAX_RANK) {
            problem(
                    at,
                    "the rank \"%s\" in \"%s\" must be a whole number from 0 to %d".formatted(rank, written, MAX_RANK));
            return 0;
        }
        return Integer.parseInt(rank);
    }

    private Optional<ElementType> type(int at, String written, String word) {
        Optional<ElementType> type = ElementType.of(word);
        if (type.isEmpty()) {
            problem(at, "the type \"%s\" in \"%s\" must be one of %s".formatted(word, written, ElementType.words()));
        }
        return type;
    }

    private int indexOf(char wanted, int from, int until) {
        int found = text.indexOf(wanted, from);
        return found < until ? found : -1;
    }

    private void problem(int at, String what) {
        String shown = text.length() > MAX_LENGTH ? text.substring(0, 40) + "…" : text;
        problems.add("the contract of %s, \"%s\", column %d: %s".formatted(component, shown, at + 1, what));
    }
}
