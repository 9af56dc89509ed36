// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.limit;

import org.jspecify.annotations.Nullable;

/**
 * A template cannot be parsed or rendered. The message says where and why, in the words of Jinja2 where it has some; what
 * a template says by {@code raise_exception} is the message as it is.
 */
public class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Why, for callers that tell causes apart. */
    public enum Kind {
        /** The source is no template. */
        SYNTAX,
        /** Something undefined was used for more than printing, comparing or testing it. */
        UNDEFINED,
        /** An attribute was used that the sandbox hides. */
        SECURITY,
        /** An operation does not suit its operands: Python's TypeError, ValueError and the like. */
        OPERATION,
        /** The template said so, by {@code raise_exception}. */
        RAISED,
        /** One of {@link TemplateLimits} was reached. */
        LIMIT,
        /** What the loss counts cannot be told. */
        AMBIGUOUS
    }

    private final Kind kind;
    private final String problem;
    private final int line;

    public TemplateException(Kind kind, String problem) {
        this(kind, problem, 0, null);
    }

    private TemplateException(Kind kind, String problem, int line, @Nullable Throwable cause) {
        super(line == 0 || kind == Kind.RAISED ? problem : "line " + line + ": " + problem, cause);
        this.kind = kind;
        this.problem = problem;
        this.line = line;
    }

    /** The source is no template. */
    public static TemplateException syntax(int line, String problem) {
        return new TemplateException(Kind.SYNTAX, problem, line, null);
    }

    /** An operation does not suit its operands. */
    public static TemplateException operation(String problem) {
        return new TemplateException(Kind.OPERATION, problem);
    }

    /** A limit was reached. */
    public static TemplateException limit(String problem) {
        return new TemplateException(Kind.LIMIT, problem);
    }

    /** This exception with the line of the template, where it has none yet. */
    public TemplateException at(int where) {
        return line != 0 || where == 0 || kind == Kind.AMBIGUOUS
                ? this
                : new TemplateException(kind, problem, where, this);
    }

    public Kind kind() {
        return kind;
    }

    /** The line of the template, from 1; 0 where it is not known. */
    public int line() {
        return line;
    }
}
