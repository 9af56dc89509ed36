// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.syntax;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateLimits;
import org.chorale.data.template.node.Assign;
import org.chorale.data.template.node.Block;
import org.chorale.data.template.node.Call;
import org.chorale.data.template.node.CallBlock;
import org.chorale.data.template.node.Expression;
import org.chorale.data.template.node.FilterCall;
import org.chorale.data.template.node.FilteredBlock;
import org.chorale.data.template.node.For;
import org.chorale.data.template.node.Generation;
import org.chorale.data.template.node.If;
import org.chorale.data.template.node.LoopControl;
import org.chorale.data.template.node.MacroBody;
import org.chorale.data.template.node.MacroDefinition;
import org.chorale.data.template.node.Print;
import org.chorale.data.template.node.Statement;
import org.chorale.data.template.node.Target;
import org.chorale.data.template.node.Text;
import org.chorale.data.template.node.With;
import org.jspecify.annotations.Nullable;

/** Parses a template. Its statements are here, one method each. */
public final class Parser {
    /** Statements of Jinja2 that need other templates, or HTML. */
    private static final Set<String> REFUSED = Set.of("include", "import", "from", "extends", "block", "autoescape");

    private final TokenStream stream;
    private final Scoping scoping = new Scoping();
    private final ExpressionParser expressions;
    private boolean hasGeneration;

    private Parser(TokenStream stream) {
        this.stream = stream;
        this.expressions = new ExpressionParser(stream, scoping);
    }

    /**
     * A template's tree.
     *
     * @param hasGeneration whether a {@code generation} block stands in it
     */
    public record Parsed(Block body, boolean hasGeneration) {}

    public static Parsed parse(String source, TemplateLimits limits) {
        if (source.length() > limits.templateChars()) {
            throw TemplateException.limit(
                    "the template is longer than %,d characters".formatted(limits.templateChars()));
        }
        // A level of syntax takes up to a dozen calls to parse, one of a rendering two or three.
        Parser parser = new Parser(new TokenStream(Lexer.tokens(source), Math.max(1, limits.depth() / 4)));
        Block body = parser.body(Set.of());
        parser.scoping.requireAll();
        return new Parsed(body, parser.hasGeneration);
    }

    /** Statements up to one of these, whose name becomes the current token; up to the end where there are none. */
    private Block body(Set<String> ends) {
        stream.enter();
        List<Statement> statements = new ArrayList<>();
        while (!stream.is(TokenType.END)) {
            Token token = stream.next();
            if (token.is(TokenType.DATA)) {
                statements.add(new Text(token.text()));
            } else if (token.is(TokenType.VARIABLE_BEGIN)) {
                statements.add(new Print(expressions.tuple(true), token.line()));
                stream.expect(TokenType.VARIABLE_END);
            } else if (stream.is(TokenType.NAME)
                    && ends.contains(stream.current().text())) {
                stream.leave();
                return new Block(List.copyOf(statements));
            } else {
                statement(ends, statements);
                stream.expect(TokenType.BLOCK_END);
            }
        }
        if (!ends.isEmpty()) {
            throw stream.fail(
                    "Unexpected end of template. Jinja was looking for the following tags: " + wanted(ends) + ".");
        }
        stream.leave();
        return new Block(List.copyOf(statements));
    }

    private static String wanted(Set<String> ends) {
        return "'" + String.join("' or '", ends.stream().sorted().toList()) + "'";
    }

    /** The body of a statement whose tag ends here, up to the name that ends it, which is left. */
    private Block bodyUntil(String end) {
        Block body = bodyUntilOneOf(Set.of(end));
        stream.next();
        return body;
    }

    private Block bodyUntilOneOf(Set<String> ends) {
        stream.skipOperator(":");
        stream.expect(TokenType.BLOCK_END);
        return body(ends);
    }

    private void statement(Set<String> ends, List<Statement> into) {
        if (!stream.is(TokenType.NAME)) {
            throw stream.fail("tag name expected");
        }
        int line = stream.line();
        String tag = stream.current().text();
        switch (tag) {
            case "for" -> into.add(loop(line));
            case "if" -> into.add(condition());
            case "set" -> into.add(assignment(line));
            case "macro" -> into.add(macro());
            case "call" -> into.add(call(line));
            case "filter" -> into.add(filter(line));
            case "with" -> into.add(with(line));
            case "generation" -> into.add(generation());
            case "break" -> into.add(loopControl(Statement.Flow.BREAK));
            case "continue" -> into.add(loopControl(Statement.Flow.CONTINUE));
            case "print" -> print(line, into);
            default -> throw unknown(tag, ends);
        }
    }

    private TemplateException unknown(String tag, Set<String> ends) {
        if (REFUSED.contains(tag)) {
            return stream.fail("the tag '" + tag + "' is not supported: a chat template is one file, without others");
        }
        return stream.fail("Encountered unknown tag '" + tag + "'."
                + (ends.isEmpty() ? "" : " Jinja was looking for the following tags: " + wanted(ends) + "."));
    }

    private Statement loop(int line) {
        stream.next();
        int loops = scoping.loops();
        scoping.loops(loops + 1);
        Target target = target(false);
        stream.expectName("in");
        Expression elements = expressions.tuple(false);
        Expression condition = stream.skipName("if") ? expressions.expression() : null;
        boolean recursive = stream.skipName("recursive");
        boolean lenient = scoping.lenient();
        scoping.lenient(false);
        Block body = bodyUntilOneOf(Set.of("endfor", "else"));
        scoping.loops(recursive ? 0 : loops);
        Block otherwise = stream.next().text().equals("else") ? bodyUntil("endfor") : null;
        scoping.loops(loops);
        scoping.lenient(lenient);
        return new For(target, elements, condition, recursive, body, otherwise, line);
    }

    private Statement condition() {
        List<If.Branch> branches = new ArrayList<>();
        Block otherwise = null;
        boolean lenient = scoping.lenient();
        scoping.lenient(true);
        do {
            int line = stream.next().line(); // if or elif
            Expression condition = expressions.tuple(false);
            branches.add(new If.Branch(condition, bodyUntilOneOf(Set.of("elif", "else", "endif")), line));
        } while (stream.current().isName("elif"));
        if (stream.next().isName("else")) {
            otherwise = bodyUntil("endif");
        }
        scoping.lenient(lenient);
        return new If(List.copyOf(branches), otherwise);
    }

    private Statement assignment(int line) {
        stream.next();
        Target target = target(true);
        if (stream.skipOperator("=")) {
            return new Assign(target, expressions.tuple(true), line);
        }
        return scoped(() -> {
            List<FilterCall.Step> filters = expressions.filters();
            return new FilteredBlock(bodyUntil("endset"), filters, target, line);
        });
    }

    private Statement filter(int line) {
        stream.next();
        return scoped(() -> {
            List<FilterCall.Step> filters = new ArrayList<>(List.of(expressions.filter()));
            filters.addAll(expressions.filters());
            return new FilteredBlock(bodyUntil("endfilter"), filters, null, line);
        });
    }

    private Statement with(int line) {
        stream.next();
        List<Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!stream.is(TokenType.BLOCK_END)) {
            if (!targets.isEmpty()) {
                stream.expectOperator(",");
            }
            targets.add(target(false));
            stream.expectOperator("=");
            values.add(expressions.expression());
        }
        return scoped(() -> new With(targets, values, bodyUntil("endwith"), line));
    }

    /** Parses what has a scope of its own. */
    private Statement scoped(Supplier<Statement> statement) {
        boolean lenient = scoping.lenient();
        scoping.lenient(false);
        Statement parsed = statement.get();
        scoping.lenient(lenient);
        return parsed;
    }

    private Statement generation() {
        stream.next();
        hasGeneration = true;
        int loops = scoping.loops();
        scoping.loops(0);
        Statement parsed = scoped(() -> new Generation(bodyUntil("endgeneration")));
        scoping.loops(loops);
        return parsed;
    }

    private Statement loopControl(Statement.Flow flow) {
        if (scoping.loops() == 0) {
            throw stream.fail("'" + stream.current().text() + "' outside loop");
        }
        stream.next();
        return new LoopControl(flow);
    }

    private void print(int line, List<Statement> into) {
        stream.next();
        for (boolean first = true; !stream.is(TokenType.BLOCK_END); first = false) {
            if (!first) {
                stream.expectOperator(",");
            }
            into.add(new Print(expressions.expression(), line));
        }
    }

    private Statement macro() {
        stream.next();
        String name = stream.expect(TokenType.NAME).text();
        scoping.assigned(name);
        List<String> parameters = new ArrayList<>();
        List<Expression> defaults = new ArrayList<>();
        signature(parameters, defaults);
        return new MacroDefinition(name, macroBody(name, parameters, defaults, "endmacro"));
    }

    private Statement call(int line) {
        stream.next();
        List<String> parameters = new ArrayList<>();
        List<Expression> defaults = new ArrayList<>();
        if (stream.is("(")) {
            signature(parameters, defaults);
        }
        if (!(expressions.expression() instanceof Call call)) {
            throw TemplateException.syntax(line, "expected call");
        }
        return new CallBlock(call, macroBody(null, parameters, defaults, "endcall"));
    }

    private void signature(List<String> parameters, List<Expression> defaults) {
        stream.expectOperator("(");
        while (!stream.is(")")) {
            if (!parameters.isEmpty()) {
                stream.expectOperator(",");
            }
            parameters.add(stream.expect(TokenType.NAME).text());
            if (stream.skipOperator("=")) {
                defaults.add(expressions.expression());
            } else if (!defaults.isEmpty()) {
                throw stream.fail("non-default argument follows default argument");
            }
        }
        stream.expectOperator(")");
    }

    private MacroBody macroBody(@Nullable String name, List<String> parameters, List<Expression> defaults, String end) {
        int loops = scoping.loops();
        boolean lenient = scoping.lenient();
        scoping.loops(0);
        scoping.lenient(false);
        scoping.beginMacro();
        Block block = bodyUntil(end);
        Set<String> used = scoping.endMacro();
        scoping.lenient(lenient);
        scoping.loops(loops);
        int caller = parameters.indexOf("caller");
        if (used.contains("caller") && caller >= 0 && caller < parameters.size() - defaults.size()) {
            throw stream.fail("When defining macros or call blocks the special \"caller\" argument must be omitted"
                    + " or be given a default.");
        }
        return new MacroBody(
                name,
                parameters,
                defaults,
                used.contains("caller"),
                used.contains("kwargs") && !parameters.contains("kwargs"),
                used.contains("varargs") && !parameters.contains("varargs"),
                block);
    }

    /** What is assigned to: a name, an attribute of a namespace where that is allowed, or several with commas. */
    private Target target(boolean withAttributes) {
        List<Target> targets = new ArrayList<>();
        boolean several = false;
        do {
            targets.add(stream.is("(") ? bracketedTarget(withAttributes) : singleTarget(withAttributes));
            several |= stream.is(",");
        } while (stream.skipOperator(",") && (stream.is("(") || stream.is(TokenType.NAME)));
        return several ? new Target.Several(targets) : targets.get(0);
    }

    private Target bracketedTarget(boolean withAttributes) {
        stream.enter();
        stream.expectOperator("(");
        Target target = target(withAttributes);
        stream.expectOperator(")");
        stream.leave();
        return target;
    }

    private Target singleTarget(boolean withAttributes) {
        Token name = stream.expect(TokenType.NAME);
        if (Set.of("true", "false", "none", "True", "False", "None").contains(name.text())) {
            throw stream.fail("can't assign to 'const'");
        } else if (name.text().equals("loop") && scoping.loops() > 0) {
            throw stream.fail("Can't assign to special loop variable in for-loop target");
        }
        if (withAttributes && stream.skipOperator(".")) {
            scoping.loaded(name.text());
            return new Target.Attribute(
                    name.text(), stream.expect(TokenType.NAME).text());
        }
        scoping.assigned(name.text());
        return new Target.Variable(name.text());
    }
}
