// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.limit;

/** What is left of the limits in one rendering. Whoever repeats, makes or nests something asks here first. */
public final class Budget {
    /** Characters that are handled in about the time of one evaluation. */
    private static final int CHARS_PER_STEP = 32;

    /** The same of characters that are not handled many at a time. */
    private static final int WALKED_CHARS_PER_STEP = 8;

    /** Digits, of any base, that arithmetic handles in about the time of one evaluation. */
    private static final int DIGITS_PER_STEP = 4;

    /** The same of what grows with the square of the digits. */
    private static final int SQUARED_DIGITS_PER_STEP = 8192;

    /** What an element of a list or dict counts, in characters: a reference, and most of a small object. */
    private static final int CHARS_PER_ELEMENT = 8;

    /** Steps between two looks at the clock: far less than a millisecond. */
    private static final int STEPS_PER_LOOK = 4096;

    private final TemplateLimits limits;
    private final long deadlineNanos;
    private long steps;
    private long nextLook;
    private long madeChars;
    private int depth;

    /**
     * @param deadlineNanos when it is over, on the clock of {@link System#nanoTime}
     */
    public Budget(TemplateLimits limits, long deadlineNanos) {
        this.limits = limits;
        this.deadlineNanos = deadlineNanos;
        this.nextLook = Math.min(STEPS_PER_LOOK, limits.steps());
    }

    /** Counts one evaluation, or one element that is looked at. */
    public void step() {
        steps(1);
    }

    /** Counts elements that are looked at. */
    public void steps(long count) {
        steps += count;
        if (steps >= nextLook) {
            look();
        }
    }

    /** Counts characters that are looked at. */
    public void scan(long chars) {
        steps(chars / CHARS_PER_STEP);
    }

    /** Counts characters that are looked at one by one: to find another text among them, or the one with a number. */
    public void walk(long chars) {
        steps(1 + chars / WALKED_CHARS_PER_STEP);
    }

    /** Counts characters that are about to be made. */
    public void makeChars(long chars) {
        madeChars += chars;
        if (chars < 0 || madeChars < 0 || madeChars > limits.madeChars()) {
            throw TemplateException.limit("the template makes more than %,d characters on its way; it may be endless"
                    .formatted(limits.madeChars()));
        }
        steps(1 + chars / CHARS_PER_STEP);
    }

    /** Counts elements of lists and dicts that are about to be made. */
    public void makeElements(long elements) {
        makeChars(elements > Long.MAX_VALUE / CHARS_PER_ELEMENT ? Long.MAX_VALUE : elements * CHARS_PER_ELEMENT);
        steps(elements);
    }

    /** Counts the digits of numbers that are computed with, whose cost grows faster than they do. */
    public void digits(long count) {
        steps(count / DIGITS_PER_STEP + count * count / SQUARED_DIGITS_PER_STEP);
    }

    /** Goes one level deeper; {@link #leave} ends it. After an exception nobody leaves: a rendering ends with it. */
    public void enter() {
        if (++depth > limits.depth()) {
            throw TemplateException.limit("the template nests its calls, loops or values deeper than " + limits.depth()
                    + " levels; a macro may call itself without end");
        }
    }

    public void leave() {
        depth--;
    }

    /** Checks the length of the rendered text. */
    public void output(long chars) {
        if (chars > limits.outputChars()) {
            throw TemplateException.limit(
                    "the rendered text is longer than %,d characters".formatted(limits.outputChars()));
        }
    }

    private void look() {
        if (steps < 0 || steps > limits.steps()) {
            throw TemplateException.limit(
                    "the template takes more than %,d steps; it may be endless".formatted(limits.steps()));
        }
        if (System.nanoTime() - deadlineNanos > 0) {
            throw TemplateException.limit("the template takes longer than %,d ms"
                    .formatted(limits.time().toMillis()));
        }
        nextLook = Math.min(steps + STEPS_PER_LOOK, limits.steps() + 1);
    }
}
