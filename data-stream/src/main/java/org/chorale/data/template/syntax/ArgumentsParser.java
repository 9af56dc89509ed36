// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.syntax;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.chorale.data.template.node.CallArguments;
import org.chorale.data.template.node.Expression;
import org.jspecify.annotations.Nullable;

/** Parses the arguments of one call: positional ones first, then named ones, then what is spread by stars. */
final class ArgumentsParser {
    private final TokenStream stream;
    private final ExpressionParser expressions;
    private final List<Expression> positional = new ArrayList<>();
    private final Map<String, Expression> named = new LinkedHashMap<>();
    private @Nullable Expression more;
    private @Nullable Expression moreNamed;

    ArgumentsParser(TokenStream stream, ExpressionParser expressions) {
        this.stream = stream;
        this.expressions = expressions;
    }

    CallArguments parse() {
        stream.expectOperator("(");
        while (!stream.is(")")) {
            argument();
            if (!stream.is(")")) {
                stream.expectOperator(",");
            }
        }
        stream.expectOperator(")");
        boolean none = positional.isEmpty() && named.isEmpty() && more == null && moreNamed == null;
        return none ? CallArguments.NONE : new CallArguments(positional, named, more, moreNamed);
    }

    private void argument() {
        require(moreNamed == null);
        if (stream.skipOperator("*")) {
            require(more == null);
            more = expressions.expression();
        } else if (stream.skipOperator("**")) {
            moreNamed = expressions.expression();
        } else if (stream.is(TokenType.NAME) && stream.following().isOperator("=")) {
            String name = stream.next().text();
            stream.next();
            require(named.put(name, expressions.expression()) == null);
        } else {
            require(more == null && named.isEmpty());
            positional.add(expressions.expression());
        }
    }

    private void require(boolean valid) {
        if (!valid) {
            throw stream.fail("invalid syntax for function call expression");
        }
    }
}
