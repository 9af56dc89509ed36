// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Names of kernels for people: of a mangled C++ name the function and the names among its template's arguments, since a
 * generic kernel is known by what it is made for.
 *
 * <pre>
 * _ZN2at6native29vectorized_elementwise_kernelILi4ENS0_15CUDAFunctor_addIfEEEEviT0_  →  vectorized_elementwise_kernel&lt;CUDAFunctor_add&gt;
 * </pre>
 *
 * <p>Only as much of the Itanium C++ ABI's mangling is understood as that takes: a name is its length and its letters.
 */
final class KernelName {
    private static final String MANGLED = "_Z";
    private static final String ANONYMOUS = "_GLOBAL__N_";
    private static final int LONGEST = 200;
    private static final int MOST_ARGUMENTS = 4;

    /** Namespaces and types that say nothing about what a kernel does. */
    private static final Set<String> NOISE = Set.of(
            "at",
            "native",
            "c10",
            "detail",
            "std",
            "cuda",
            "internal",
            "Array",
            "array",
            "TensorIteratorBase",
            "TrivialOffsetCalculator",
            "OffsetCalculator",
            "LoadWithoutCast",
            "StoreWithoutCast",
            "Params",
            "function");

    private final String mangled;
    private final List<String> path = new ArrayList<>(); // of the function
    private final List<String> arguments = new ArrayList<>();
    private int at = MANGLED.length();
    private boolean inPath = true;

    private KernelName(String mangled) {
        this.mangled = mangled;
    }

    static String shorten(String name) {
        String whole = name.startsWith(MANGLED) ? new KernelName(name).shortened() : withoutArguments(name);
        return whole.length() > LONGEST ? whole.substring(0, LONGEST) : whole;
    }

    private static String withoutArguments(String name) {
        int bracket = name.indexOf('(');
        return bracket > 0 ? name.substring(0, bracket) : name;
    }

    private String shortened() {
        while (at < mangled.length()) {
            step();
        }
        if (path.isEmpty()) {
            return mangled;
        }
        String inner = arguments.stream().distinct().limit(MOST_ARGUMENTS).collect(Collectors.joining(", "));
        return String.join("::", path) + (inner.isEmpty() ? "" : "<" + inner + ">");
    }

    private void step() {
        char c = mangled.charAt(at);
        if (Character.isDigit(c)) {
            takeName();
        } else if (c == 'L' && mangled.startsWith("E", endOfLiteral())) {
            at = endOfLiteral() + 1;
        } else {
            inPath &= c == 'N' || c == 'L' || path.isEmpty();
            at += c == 'S' || c == 'T' ? reference() : 1;
        }
    }

    /** Letters behind their number; a number without letters is something else. */
    private void takeName() {
        int end = at;
        while (end < mangled.length() && end - at < 4 && Character.isDigit(mangled.charAt(end))) {
            end++;
        }
        int length = Integer.parseInt(mangled, at, end, 10);
        boolean isName = length > 0
                && end + length <= mangled.length()
                && (Character.isLetter(mangled.charAt(end)) || mangled.startsWith(ANONYMOUS, end));
        if (isName) {
            add(mangled.substring(end, end + length));
            end += length;
        }
        at = end;
    }

    private void add(String name) {
        boolean says = !NOISE.contains(name) && !name.startsWith(ANONYMOUS);
        if (says) {
            (inPath ? path : arguments).add(name);
        }
    }

    /** Behind the value of a literal, such as {@code Li128E} or {@code Lb1E}. */
    private int endOfLiteral() {
        int end = at + 2;
        while (end < mangled.length() && (Character.isDigit(mangled.charAt(end)) || mangled.charAt(end) == 'n')) {
            end++;
        }
        return end;
    }

    /** Length of what stands for something before: {@code S0_}, {@code T_}, {@code St}. */
    private int reference() {
        int end = at + 1;
        while (end < mangled.length()
                && (Character.isDigit(mangled.charAt(end)) || Character.isUpperCase(mangled.charAt(end)))) {
            end++;
        }
        return end < mangled.length() && mangled.charAt(end) == '_' ? end + 1 - at : 1;
    }
}
