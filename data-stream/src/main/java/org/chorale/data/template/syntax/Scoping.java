// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.syntax;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.chorale.data.template.limit.TemplateException;

/** What a parser has to know of the statements around the place where it is. */
final class Scoping {
    /** Names that a macro is given only if they stand in it. */
    private static final Set<String> SPECIAL = Set.of("caller", "kwargs", "varargs");

    /** The special names that stand in a macro, and those that it assigns first. */
    private static final class Macro {
        private final Set<String> used = new HashSet<>();
        private final Set<String> assigned = new HashSet<>();
    }

    private final Deque<Macro> macros = new ArrayDeque<>();
    private final List<TemplateException> missing = new ArrayList<>();
    private int loops;
    private boolean lenient;

    void beginMacro() {
        macros.push(new Macro());
    }

    /** The special names that the macro uses without having assigned them. */
    Set<String> endMacro() {
        return macros.pop().used;
    }

    void loaded(String name) {
        if (SPECIAL.contains(name)) {
            for (Macro macro : macros) {
                if (!macro.assigned.contains(name)) {
                    macro.used.add(name);
                }
            }
        }
    }

    void assigned(String name) {
        if (SPECIAL.contains(name)) {
            macros.forEach(macro -> macro.assigned.add(name));
        }
    }

    /** Loops around this place that {@code break} can leave: those within the innermost macro. */
    int loops() {
        return loops;
    }

    void loops(int count) {
        loops = count;
    }

    /** Whether a filter that does not exist only fails when it is used: within {@code if}. */
    boolean lenient() {
        return lenient;
    }

    void lenient(boolean now) {
        lenient = now;
    }

    /** Notes a filter or test that does not exist. */
    void missing(TemplateException problem) {
        if (!lenient) {
            missing.add(problem);
        }
    }

    /** How many filters and tests are noted as missing. */
    int missing() {
        return missing.size();
    }

    /** Forgets those that were noted since there were so many: a condition decides whether they are used. */
    void excuseFrom(int count) {
        missing.subList(count, missing.size()).clear();
    }

    /** Refuses the first that is missing. */
    void requireAll() {
        if (!missing.isEmpty()) {
            throw missing.get(0);
        }
    }
}
