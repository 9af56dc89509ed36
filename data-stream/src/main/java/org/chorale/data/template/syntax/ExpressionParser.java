// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.syntax;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.chorale.data.template.builtin.Filter;
import org.chorale.data.template.builtin.Filters;
import org.chorale.data.template.builtin.Test;
import org.chorale.data.template.builtin.Tests;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.node.Binary;
import org.chorale.data.template.node.Call;
import org.chorale.data.template.node.CallArguments;
import org.chorale.data.template.node.Compare;
import org.chorale.data.template.node.Concat;
import org.chorale.data.template.node.Conditional;
import org.chorale.data.template.node.Elements;
import org.chorale.data.template.node.Expression;
import org.chorale.data.template.node.FilterCall;
import org.chorale.data.template.node.GetAttribute;
import org.chorale.data.template.node.GetItem;
import org.chorale.data.template.node.GetSlice;
import org.chorale.data.template.node.Literal;
import org.chorale.data.template.node.Logic;
import org.chorale.data.template.node.Name;
import org.chorale.data.template.node.Pairs;
import org.chorale.data.template.node.TestCall;
import org.chorale.data.template.node.Unary;
import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.FloatValue;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.StrValue;
import org.jspecify.annotations.Nullable;

/** Parses expressions, by recursive descent with the precedences of Jinja2, which are not all Python's. */
final class ExpressionParser {
    private static final Map<String, Compare.Operator> COMPARISONS = Map.of(
            "==", Compare.Operator.EQUAL,
            "!=", Compare.Operator.UNEQUAL,
            "<", Compare.Operator.LESS,
            "<=", Compare.Operator.LESS_OR_EQUAL,
            ">", Compare.Operator.GREATER,
            ">=", Compare.Operator.GREATER_OR_EQUAL);

    private static final Map<String, Binary.Operator> SUMS =
            Map.of("+", Binary.Operator.ADD, "-", Binary.Operator.SUBTRACT);

    private static final Map<String, Binary.Operator> PRODUCTS = Map.of(
            "*", Binary.Operator.MULTIPLY,
            "/", Binary.Operator.DIVIDE,
            "//", Binary.Operator.FLOOR_DIVIDE,
            "%", Binary.Operator.MODULO);

    private static final Expression NONE = new Literal(NoneValue.NONE);

    private final TokenStream stream;
    private final Scoping scoping;

    ExpressionParser(TokenStream stream, Scoping scoping) {
        this.stream = stream;
        this.scoping = scoping;
    }

    Expression expression() {
        stream.enter();
        int line = stream.line();
        int missing = scoping.missing();
        Expression expression = or();
        for (int built = 0; stream.skipName("if"); built++) {
            stream.requireDepth(built);
            Expression condition = or();
            Expression otherwise = stream.skipName("else") ? expression() : null;
            scoping.excuseFrom(missing);
            expression = new Conditional(condition, expression, otherwise, line);
        }
        stream.leave();
        return expression;
    }

    /** Expressions with commas between them, or one without any. */
    Expression tuple(boolean withConditional) {
        return tuple(withConditional, false);
    }

    private Expression tuple(boolean withConditional, boolean inParentheses) {
        List<Expression> elements = new ArrayList<>();
        boolean isTuple = false;
        while (!isTupleEnd()) {
            elements.add(withConditional ? expression() : or());
            if (!stream.skipOperator(",")) {
                break;
            }
            isTuple = true;
        }
        if (!isTuple && !elements.isEmpty()) {
            return elements.get(0);
        } else if (!isTuple && !inParentheses) {
            throw stream.fail("Expected an expression, got '" + stream.current().describe() + "'");
        }
        return new Elements(elements, true);
    }

    private boolean isTupleEnd() {
        return stream.is(TokenType.VARIABLE_END) || stream.is(TokenType.BLOCK_END) || stream.is(")");
    }

    private Expression or() {
        Expression left = and();
        for (int built = 0; stream.skipName("or"); built++) {
            stream.requireDepth(built);
            left = new Logic(false, left, and());
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        for (int built = 0; stream.skipName("and"); built++) {
            stream.requireDepth(built);
            left = new Logic(true, left, not());
        }
        return left;
    }

    private Expression not() {
        if (!stream.skipName("not")) {
            return comparison();
        }
        stream.enter();
        Expression operand = not();
        stream.leave();
        return new Unary(Unary.Operator.NOT, operand);
    }

    private Expression comparison() {
        Expression first = sum();
        List<Compare.Operand> operands = new ArrayList<>();
        for (Compare.Operator next = comparator(); next != null; next = comparator()) {
            operands.add(new Compare.Operand(next, sum()));
        }
        return operands.isEmpty() ? first : new Compare(first, operands);
    }

    private Compare.@Nullable Operator comparator() {
        Token token = stream.current();
        if (token.is(TokenType.OPERATOR) && COMPARISONS.containsKey(token.text())) {
            stream.next();
            return COMPARISONS.get(token.text());
        } else if (stream.skipName("in")) {
            return Compare.Operator.IN;
        } else if (token.isName("not") && stream.following().isName("in")) {
            stream.next();
            stream.next();
            return Compare.Operator.NOT_IN;
        }
        return null;
    }

    private Expression sum() {
        Expression left = concatenation();
        for (int built = 0; operator(SUMS) != null; built++) {
            stream.requireDepth(built);
            Binary.Operator operator = SUMS.getOrDefault(stream.next().text(), Binary.Operator.ADD);
            left = new Binary(operator, left, concatenation());
        }
        return left;
    }

    private Binary.@Nullable Operator operator(Map<String, Binary.Operator> among) {
        return stream.is(TokenType.OPERATOR) ? among.get(stream.current().text()) : null;
    }

    private Expression concatenation() {
        Expression first = product();
        if (!stream.is("~")) {
            return first;
        }
        List<Expression> parts = new ArrayList<>(List.of(first));
        while (stream.skipOperator("~")) {
            parts.add(product());
        }
        return new Concat(parts);
    }

    private Expression product() {
        Expression left = power();
        for (int built = 0; operator(PRODUCTS) != null; built++) {
            stream.requireDepth(built);
            Binary.Operator operator = PRODUCTS.getOrDefault(stream.next().text(), Binary.Operator.MULTIPLY);
            left = new Binary(operator, left, power());
        }
        return left;
    }

    /** Unlike in Python, powers are computed from left to right. */
    private Expression power() {
        Expression left = unary(true);
        for (int built = 0; stream.skipOperator("**"); built++) {
            stream.requireDepth(built);
            left = new Binary(Binary.Operator.POWER, left, unary(true));
        }
        return left;
    }

    /** A sign binds closer than the filters behind its operand. */
    private Expression unary(boolean withFilters) {
        Expression expression;
        if (stream.is("-") || stream.is("+")) {
            stream.enter();
            boolean negates = stream.next().text().equals("-");
            Unary.Operator operator = negates ? Unary.Operator.NEGATE : Unary.Operator.PLUS;
            expression = new Unary(operator, unary(false));
            stream.leave();
        } else {
            expression = primary();
        }
        return suffixed(expression, withFilters);
    }

    private Expression suffixed(Expression first, boolean withFilters) {
        Expression expression = first;
        for (int built = 0; stream.is(".") || stream.is("[") || stream.is("("); built++) {
            stream.requireDepth(built);
            expression = stream.is("(") ? call(expression) : subscript(expression);
        }
        return withFilters ? filtered(expression) : expression;
    }

    private Expression call(Expression function) {
        int line = stream.line();
        return new Call(function, arguments(), line);
    }

    private Expression filtered(Expression first) {
        Expression expression = first;
        for (int built = 0; ; built++) {
            stream.requireDepth(built);
            if (stream.skipOperator("|")) {
                expression = new FilterCall(expression, filter());
            } else if (stream.skipName("is")) {
                expression = test(expression);
            } else if (stream.is("(")) {
                expression = call(expression);
            } else {
                return expression;
            }
        }
    }

    Expression primary() {
        Token token = stream.current();
        switch (token.type()) {
            case NAME -> {
                stream.next();
                return name(token.text());
            }
            case STRING -> {
                return strings();
            }
            case INTEGER -> {
                return integer(stream.next());
            }
            case FLOAT -> {
                return new Literal(
                        new FloatValue(Double.parseDouble(stream.next().text())));
            }
            default -> {
                return bracketed(token);
            }
        }
    }

    private Expression name(String name) {
        switch (name) {
            case "true", "True" -> {
                return new Literal(BoolValue.TRUE);
            }
            case "false", "False" -> {
                return new Literal(BoolValue.FALSE);
            }
            case "none", "None" -> {
                return NONE;
            }
            default -> {
                scoping.loaded(name);
                return new Name(name);
            }
        }
    }

    /** Strings that stand one after the other are one. */
    private Expression strings() {
        StringBuilder text = new StringBuilder();
        while (stream.is(TokenType.STRING)) {
            text.append(stream.next().text());
        }
        return new Literal(StrValue.of(text.toString()));
    }

    private Expression integer(Token token) {
        String digits = token.text();
        int radix = digits.startsWith("0x") ? 16 : digits.startsWith("0o") ? 8 : digits.startsWith("0b") ? 2 : 10;
        String plain = radix == 10 ? digits : digits.substring(2);
        if (plain.length() > 4300) {
            throw stream.fail("a whole number has more than 4300 digits");
        }
        return new Literal(IntValue.of(new BigInteger(plain, radix)));
    }

    private Expression bracketed(Token token) {
        Expression expression;
        if (stream.skipOperator("(")) {
            expression = tuple(true, true);
            stream.expectOperator(")");
        } else if (stream.skipOperator("[")) {
            expression = new Elements(list(), false);
        } else if (stream.skipOperator("{")) {
            expression = dict();
        } else {
            throw stream.fail("unexpected '" + token.describe() + "'");
        }
        return expression;
    }

    private List<Expression> list() {
        List<Expression> elements = new ArrayList<>();
        while (!stream.is("]")) {
            if (!elements.isEmpty()) {
                stream.expectOperator(",");
                if (stream.is("]")) {
                    break;
                }
            }
            elements.add(expression());
        }
        stream.expectOperator("]");
        return elements;
    }

    private Expression dict() {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!stream.is("}")) {
            if (!keys.isEmpty()) {
                stream.expectOperator(",");
                if (stream.is("}")) {
                    break;
                }
            }
            keys.add(expression());
            stream.expectOperator(":");
            values.add(expression());
        }
        stream.expectOperator("}");
        return new Pairs(keys, values);
    }

    private Expression subscript(Expression expression) {
        if (stream.skipOperator(".")) {
            Token attribute = stream.next();
            if (attribute.is(TokenType.NAME)) {
                return new GetAttribute(expression, attribute.text());
            } else if (attribute.is(TokenType.INTEGER)) {
                return new GetItem(expression, integer(attribute));
            }
            throw stream.fail("expected name or number");
        }
        stream.expectOperator("[");
        Expression subscripted = stream.is(":") ? slice(expression, NONE) : itemOrSlice(expression);
        stream.expectOperator("]");
        return subscripted;
    }

    private Expression itemOrSlice(Expression expression) {
        if (stream.is("]")) {
            return new GetItem(expression, new Elements(List.of(), true)); // an empty tuple, as in Jinja2
        }
        Expression first = expression();
        if (stream.is(":")) {
            return slice(expression, first);
        } else if (!stream.is(",")) {
            return new GetItem(expression, first);
        }
        List<Expression> keys = new ArrayList<>(List.of(first));
        while (stream.skipOperator(",")) {
            keys.add(expression());
        }
        return new GetItem(expression, new Elements(keys, true));
    }

    private Expression slice(Expression expression, Expression start) {
        stream.expectOperator(":");
        Expression stop = stream.is(":") || stream.is("]") ? NONE : expression();
        Expression step = stream.skipOperator(":") && !stream.is("]") ? expression() : NONE;
        return new GetSlice(expression, start, stop, step);
    }

    /** What stands between parentheses, these included. */
    CallArguments arguments() {
        return new ArgumentsParser(stream, this).parse();
    }

    /** The filters that follow, each behind a bar. */
    List<FilterCall.Step> filters() {
        List<FilterCall.Step> filters = new ArrayList<>();
        while (stream.skipOperator("|")) {
            filters.add(filter());
        }
        return filters;
    }

    FilterCall.Step filter() {
        int line = stream.line();
        String name = dottedName();
        CallArguments arguments = stream.is("(") ? arguments() : CallArguments.NONE;
        Filter filter = Filters.find(name);
        if (filter == null) {
            scoping.missing(TemplateException.syntax(line, "No filter named '" + name + "'."));
        }
        return new FilterCall.Step(name, filter, arguments, line);
    }

    private String dottedName() {
        StringBuilder name = new StringBuilder(stream.expect(TokenType.NAME).text());
        while (stream.skipOperator(".")) {
            name.append('.').append(stream.expect(TokenType.NAME).text());
        }
        return name.toString();
    }

    private Expression test(Expression expression) {
        boolean negated = stream.skipName("not");
        int line = stream.line();
        String name = dottedName();
        CallArguments arguments = CallArguments.NONE;
        if (stream.is("(")) {
            arguments = arguments();
        } else if (beginsArgument()) {
            if (stream.current().isName("is")) {
                throw stream.fail("You cannot chain multiple tests with is");
            }
            Expression argument = suffixed(primary(), false);
            arguments = new CallArguments(List.of(argument), Map.of(), null, null);
        }
        Test test = Tests.find(name);
        if (test == null) {
            scoping.missing(TemplateException.syntax(line, "No test named '" + name + "'."));
        }
        Expression tested = new TestCall(expression, name, test, arguments);
        return negated ? new Unary(Unary.Operator.NOT, tested) : tested;
    }

    private boolean beginsArgument() {
        Token token = stream.current();
        return switch (token.type()) {
            case NAME -> !Set.of("else", "or", "and").contains(token.text());
            case STRING, INTEGER, FLOAT -> true;
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            default -> false;
        };
    }
}
