// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import dev.cel.bundle.Cel;
import dev.cel.bundle.CelBuilder;
import dev.cel.bundle.CelFactory;
import dev.cel.common.CelAbstractSyntaxTree;
import dev.cel.common.CelIssue;
import dev.cel.common.CelOptions;
import dev.cel.common.CelValidationException;
import dev.cel.common.ast.CelExpr.ExprKind.Kind;
import dev.cel.common.navigation.CelNavigableAst;
import dev.cel.common.types.CelType;
import dev.cel.common.types.MapType;
import dev.cel.common.types.SimpleType;
import dev.cel.extensions.CelExtensions;
import dev.cel.parser.CelStandardMacro;
import dev.cel.runtime.CelEvaluationException;
import dev.cel.runtime.CelRuntime;
import dev.cel.runtime.CelUnknownSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * An expression over a row's columns in CEL, the Common Expression Language: it calls no Java, loops over nothing but
 * lists and maps that are there, and its length, depth and loops are limited. A name is a column, and {@code row} the map
 * of all columns, for those whose names are no identifiers. Safe to use from many threads.
 */
final class RowExpression {
    private static final String ROW = "row";

    private static final CelOptions OPTIONS = CelOptions.current()
            .maxExpressionCodePointSize(10_000)
            .maxParseRecursionDepth(50)
            .comprehensionMaxIterations(100_000)
            .maxRegexProgramSize(10_000)
            .enableHeterogeneousNumericComparisons(true)
            .build();

    private final String said; // key and expression, for messages
    private final String text;
    private final Set<String> columns;
    private final CelType type;
    private final CelRuntime.Program program;

    private RowExpression(String said, String text, Set<String> columns, CelType type, CelRuntime.Program program) {
        this.said = said;
        this.text = text;
        this.columns = columns;
        this.type = type;
        this.program = program;
    }

    /**
     * Compiles an expression.
     *
     * @param key where in the configuration it stands
     * @throws IllegalArgumentException where it is none, with the place of what is wrong
     */
    static RowExpression compile(String key, String text) {
        String said = "%s = \"%s\"".formatted(key, text.strip());
        try {
            CelAbstractSyntaxTree parsed = environment(Set.of()).parse(text).getAst();
            Set<String> columns = columns(parsed);
            Cel cel = environment(columns);
            CelAbstractSyntaxTree checked = cel.check(parsed).getAst();
            return new RowExpression(said, text, columns, checked.getResultType(), cel.createProgram(checked));
        } catch (CelValidationException e) {
            throw new IllegalArgumentException(said + ": " + problems(e), e);
        } catch (CelEvaluationException e) {
            throw new IllegalArgumentException(said + ": " + e.getMessage(), e);
        }
    }

    String text() {
        return text;
    }

    /** Whether it may give true or false. */
    boolean mayBeBoolean() {
        return type.equals(SimpleType.BOOL) || type.equals(SimpleType.DYN);
    }

    /** The name of the type of what it gives. */
    String typeName() {
        return type.name();
    }

    /** What it gives for a row: a text, Long, Double, Boolean, list or map of these, or null. */
    @Nullable
    Object of(Map<String, @Nullable Object> row) throws RowRefusedException {
        Map<String, Object> known = new HashMap<>();
        for (String column : columns) {
            if (row.containsKey(column) && !column.equals(ROW)) {
                known.put(column, RowValues.toCel(row.get(column)));
            }
        }
        if (columns.contains(ROW)) {
            known.put(ROW, RowValues.toCel(row));
        }
        try {
            Object value = program.eval(known);
            if (value instanceof CelUnknownSet) {
                throw RowRefusedException.missing(said, missing(row), row);
            }
            return RowValues.fromCel(value);
        } catch (CelEvaluationException | IllegalArgumentException e) {
            throw new RowRefusedException(said + ": " + plain(String.valueOf(e.getMessage())));
        }
    }

    private String missing(Map<String, @Nullable Object> row) {
        return columns.stream()
                .filter(column -> !row.containsKey(column) && !column.equals(ROW))
                .collect(Collectors.joining(", "));
    }

    /** Names are columns unless a loop has made them; CEL's own have an @. */
    private static Set<String> columns(CelAbstractSyntaxTree parsed) {
        return CelNavigableAst.fromAst(parsed)
                .getRoot()
                .allNodes()
                .filter(node -> node.getKind() == Kind.IDENT)
                .map(node -> node.expr().ident().name())
                .filter(name -> !name.startsWith("@"))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static Cel environment(Set<String> columns) {
        CelBuilder builder = CelFactory.standardCelBuilder()
                .setOptions(OPTIONS)
                .setStandardMacros(CelStandardMacro.STANDARD_MACROS)
                .addCompilerLibraries(CelExtensions.strings(), CelExtensions.math(OPTIONS))
                .addRuntimeLibraries(CelExtensions.strings(), CelExtensions.math(OPTIONS))
                .addVar(ROW, MapType.create(SimpleType.STRING, SimpleType.DYN));
        columns.stream()
                .filter(column -> !column.equals(ROW))
                .forEach(column -> builder.addVar(column, SimpleType.DYN));
        return builder.build();
    }

    private static String problems(CelValidationException e) {
        return e.getErrors().stream().map(RowExpression::problem).collect(Collectors.joining("; "));
    }

    private static String problem(CelIssue issue) {
        String message = plain(issue.getMessage());
        int column = issue.getSourceLocation().getColumn() + 1;
        int line = issue.getSourceLocation().getLine();
        return line < 1
                ? message
                : line == 1
                        ? "column %d: %s".formatted(column, message)
                        : "line %d, column %d: %s".formatted(line, column, message);
    }

    /** Without what only means something to the library. */
    private static String plain(String message) {
        return message.replaceFirst("^evaluation error( at <input>:\\d+)?: ", "")
                .replace(" (in container '')", "")
                .replaceFirst("(?s) Overload candidates: .*", "")
                .replaceFirst("(?s) \\(candidates: .*", "");
    }
}
