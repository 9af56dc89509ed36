// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateException.Kind;
import org.chorale.data.template.limit.TemplateLimits;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A template comes with a model, from anyone. Each of these ends within its limit and a second, with a reason. The second is
 * one of computing, so that a machine with other things to do changes nothing.
 */
class HostileTemplatesTest {
    /** The limits of every template, and a second for all renderings of a conversation together. */
    private static final TemplateLimits LIMITS = new TemplateLimits(
            TemplateLimits.DEFAULT.templateChars(),
            TemplateLimits.DEFAULT.outputChars(),
            TemplateLimits.DEFAULT.steps(),
            TemplateLimits.DEFAULT.madeChars(),
            TemplateLimits.DEFAULT.depth(),
            Duration.ofSeconds(1));

    private static final Duration SOON = LIMITS.time().plusSeconds(1);

    private static final String HUGE_LIST = "{% set l = range(100000)|list %}{% set l = l + l + l + l %}";

    static Stream<Arguments> endless() {
        return Stream.of(
                // steps
                limit("a loop in a loop in a loop", loops(3, "{{ '' }}")),
                limit("loops that print", loops(3, "x")),
                limit("loops of the longest range", loops(2, "")),
                limit(
                        "a loop that goes on by itself",
                        "{% for a in range(100000) recursive %}{{ loop([a]) }}{% endfor %}"),
                limit("a condition in each turn", loops(2, "{% if x is defined %}{% endif %}")),
                limit(
                        "a loop filter that keeps nothing",
                        "{% for i in range(99999) if range(99999)|select('gt', 99999)|list %}" + "{% endfor %}"),
                limit("map over huge lists", HUGE_LIST + "{% for i in l %}{{ l|map('abs')|sum }}{% endfor %}"),
                limit("sort huge lists", HUGE_LIST + "{% for i in l %}{% set x = l|sort %}{% endfor %}"),
                limit(
                        "group huge lists",
                        HUGE_LIST + "{% for i in l %}{% set x = l|map('string')|groupby(0) %}{% endfor %}"),
                limit("unique of huge lists", HUGE_LIST + "{% for i in l %}{% set x = l|unique|list %}{% endfor %}"),
                limit("in a huge list", HUGE_LIST + "{% for i in l %}{{ -1 in l }}{% endfor %}"),
                limit("equal huge lists", HUGE_LIST + "{% set m = l + [] %}{% for i in l %}{{ l == m }}{% endfor %}"),
                limit(
                        "equal values of exponential size",
                        twice("[x, x]", 40) + "{% set y = x %}" + twice("[x, x]", 40) + "{{ x == y }}"),
                limit(
                        "count in a long text",
                        "{% set s = 'ab' * 1000000 %}{% for i in range(99999) %}{{ s.count('ba') }}" + "{% endfor %}"),
                limit(
                        "a text that almost has another, again and again",
                        "{% set s = 'a' * 4000000 %}{% set p = 'a' * 2000000 ~ 'b' %}{% for i in range(99999) %}{{ p in s }}"
                                + "{% endfor %}"),
                limit("a cycler for ever", "{% set c = cycler(1, 2) %}" + loops(3, "{{ c.next() }}")),
                limit("batches of nothing", loops(2, "{{ range(100000)|batch(1)|list|length }}")),
                limit("powers", loops(2, "{% set x = 3 ** 9000 %}")),
                limit("products of large numbers", "{% set x = 3 ** 9000 %}" + loops(2, "{% set y = x * x // x %}")),
                limit("floats that are printed", loops(2, "{{ 0.1 + 0.2 }}")),
                limit("large numbers that are printed", "{% set x = 3 ** 9000 %}" + loops(2, "{{ x }}")),
                limit("large numbers that are read", "{% set x = '7' * 4000 %}" + loops(2, "{% set y = x|int %}")),
                limit("rounding", loops(2, "{{ (1.1 / 3)|round(300) }}")),
                limit("formatted floats", loops(2, "{{ '%.900f' % 0.1 }}")),
                limit("an index that is a tuple of exponential size", twice("(x, x)", 40) + "{{ {}[x] }}"),
                limit("slices of a long text", "{% set s = 'ä😀' * 1000000 %}" + loops(2, "{% set y = s[9:10] %}")),
                limit(
                        "prefixes of a long text",
                        "{% set s = '😀' * 1000000 %}" + loops(2, "{{ s.startswith('x', 5) }}")),
                limit("escaping again and again", "{% set s = '<' * 100000 %}" + loops(2, "{% set y = s|e %}")),
                limit(
                        "comments in comments",
                        "{% set s = '<!--' * 1000000 ~ '-->' * 1000000 %}" + loops(2, "{{ s|striptags }}")),
                limit("words to wrap", "{% set s = 'a b-c ' * 100000 %}" + loops(2, "{% set y = s|wordwrap(3) %}")),
                limit("tojson again and again", loops(2, "{{ range(9999)|list|tojson|length }}")),
                // what is made
                limit("a text times a thousand million", "{{ 'a' * 10 ** 9 }}"),
                limit("a list times a thousand million", "{{ [1] * 10 ** 9 }}"),
                limit("a tuple times a thousand million", "{{ (1, 2) * 10 ** 9 }}"),
                limit("a text times more than a long", "{{ 'a' * 10 ** 30 }}"),
                limit("doubling by plus", twice("x + x", 60)),
                limit("doubling by tilde", twice("x ~ x", 60)),
                limit("doubling a list", "{% set x = [1] %}" + "{% set x = x + x %}".repeat(60)),
                limit("doubling by format", twice("'%s%s' % (x, x)", 60)),
                limit("doubling by str.format", twice("'{0}{0}'.format(x)", 60)),
                limit("doubling by join", twice("[x, x]|join(x)", 60)),
                limit("doubling by replace", twice("x|replace('a', 'aa')", 60)),
                limit("replacing nothing", twice("x.replace('', x)", 60)),
                limit(
                        "doubling in a namespace",
                        "{% set ns = namespace(s='aaaa') %}{% for i in range(99999) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"),
                limit(
                        "a set block in a loop",
                        "{% set ns = namespace(s='aaaa') %}{% for i in range(99999) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}"
                                + "{% endset %}{% endfor %}"),
                limit(
                        "a filter block in a loop",
                        loops(2, "{% filter upper %}" + "a".repeat(1000) + "{% endfilter %}")),
                limit("center", "{{ 'a'|center(10 ** 9) }}"),
                limit("str.center", "{{ 'a'.center(2 ** 62) }}"),
                limit("ljust", "{{ 'a'.ljust(10 ** 9) }}"),
                limit("zfill", "{{ '1'.zfill(10 ** 10) }}"),
                limit("expandtabs", "{{ ('\\t' * 1000).expandtabs(10 ** 9) }}"),
                limit("indent", "{{ ('\\n' * 1000)|indent(10 ** 6, true, true) }}"),
                limit("a wide field by percent", "{{ '%1000000000d' % 1 }}"),
                limit("a field as wide as an argument says", "{{ '%*d' % (10 ** 9, 1) }}"),
                limit("a precision of a thousand million", "{{ '%.1000000000f' % 1.5 }}"),
                limit("a wide field by braces", "{{ '{:1000000000}'.format(1) }}"),
                limit("a field as wide as another", "{{ '{:{}}'.format(1, 10 ** 9) }}"),
                limit("a precision by braces", "{{ '{:.1000000000f}'.format(1.5) }}"),
                limit("tojson with a wide indent", "{{ [[1]]|tojson(indent=10 ** 9) }}"),
                limit("tojson of exponential size", twice("[x, x]", 40) + "{{ x|tojson }}"),
                limit("repr of exponential size", twice("[x, x]", 40) + "{{ x }}"),
                limit("a key of exponential size", twice("(x, x)", 40) + "{{ {x: 1} }}"),
                limit("a batch that is filled up", "{{ [1]|batch(10 ** 9, 'x')|list }}"),
                limit("slices without end", "{{ [1]|slice(10 ** 9, 'x')|list }}"),
                limit(
                        "a factorial",
                        "{% set ns = namespace(n=1) %}{% for i in range(1, 100000) %}{% set ns.n = ns.n * i %}"
                                + "{% endfor %}"),
                limit("a huge power", "{{ 10 ** (10 ** 10) }}"),
                limit("a huge power of powers", "{{ 9 ** (9 ** (9 ** 9)) }}"),
                limit("a number of too many digits", "{{ 10 ** 4400 }}"),
                limit("a text of too many digits", "{{ ('9' * 1000000)|int }}"),
                limit("split into millions", "{{ ('a,' * 8000000).split(',')|length }}"),
                limit("lists of millions of characters", "{{ ('a' * 8000000)|list|length }}"),
                limit(
                        "gigabytes of output",
                        "{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{{ s }}{% endfor %}"),
                limit(
                        "gigabytes through a macro",
                        "{% macro m() %}{{ 'a' * 1000000 }}{% endmacro %}{% for i in range(99999) %}{{ m() }}{% endfor %}"),
                limit(
                        "gigabytes through a call block",
                        "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}{% set s = 'a' * 1000000 %}"
                                + "{% for i in range(99999) %}{% call m() %}{{ s }}{% endcall %}{% endfor %}"),
                limit("arguments without end", "{{ dict(*[1] * 10 ** 9) }}"),
                limit(
                        "kept generators",
                        "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = ns.l + [i] %}"
                                + "{% endfor %}"),
                limit("a sum of lists", "{{ (range(100000)|batch(1)|list)|sum(start=[])|length }}"),
                // depth
                limit("a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
                limit(
                        "a macro that calls itself twice",
                        "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}"),
                limit(
                        "two macros that call each other",
                        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}"),
                limit("a macro with itself as default", "{% macro m(x=none) %}{{ m(x=m()) }}{% endmacro %}{{ m() }}"),
                limit(
                        "a caller that calls its macro",
                        "{% macro m() %}{{ caller() }}{% endmacro %}{% macro r() %}{% call m() %}{{ r() }}{% endcall %}{% endmacro %}"
                                + "{{ r() }}"),
                limit("a loop that calls itself", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
                limit(
                        "a set block that calls itself",
                        "{% macro m() %}{% set x %}{{ m() }}{% endset %}{% endmacro %}{{ m() }}"),
                limit(
                        "a list in a list in a list",
                        "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}"),
                limit(
                        "deep lists compared",
                        "{% set ns = namespace(x=[], y=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}"
                                + "{% endfor %}{{ ns.x == ns.y }}"),
                limit(
                        "deep lists in order",
                        "{% set ns = namespace(x=[], y=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}"
                                + "{% endfor %}{{ ns.x < ns.y }}"),
                limit(
                        "deep lists as JSON",
                        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|tojson }}"),
                limit(
                        "deep tuples as keys",
                        "{% set ns = namespace(x=()) %}{% for i in range(9999) %}{% set ns.x = (ns.x,) %}{% endfor %}{{ {ns.x: 1} }}"),
                limit(
                        "generators of generators",
                        "{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = ns.x|map('abs') %}{% endfor %}"
                                + "{{ ns.x|list }}"),
                limit("a namespace in itself", "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}"),
                limit("millions of brackets", "{{ " + "[".repeat(500_000) + "]".repeat(500_000) + " }}"),
                limit("millions of parentheses", "{{ " + "(".repeat(500_000)),
                limit("millions of braces", "{{ " + "{1:".repeat(300_000)),
                limit("millions of minuses", "{{ " + "-".repeat(900_000) + "1 }}"),
                limit("many nots", "{{ " + "not ".repeat(200_000) + "1 }}"),
                limit("millions of pluses", "{{ 1" + "+1".repeat(400_000) + " }}"),
                limit("many filters", "{{ 1" + "|abs".repeat(200_000) + " }}"),
                limit("many attributes", "{{ x" + ".a".repeat(400_000) + " }}"),
                limit("many calls", "{{ x" + "()".repeat(400_000) + " }}"),
                limit("many conditions", "{{ 1" + " if 1 else 1".repeat(80_000) + " }}"),
                limit("many ands", "{{ 1" + " and 1".repeat(150_000) + " }}"),
                limit("deep statements", "{% if 1 %}".repeat(100_000)),
                limit("deep loops", "{% for a in b %}".repeat(60_000)),
                limit("deep targets", "{% for " + "(".repeat(900_000)),
                limit("more source than allowed", "x".repeat((1 << 20) + 1)));
    }

    static Stream<Arguments> forbidden() {
        return Stream.of(
                Arguments.of("{{ ''.__class__.__mro__[1].__subclasses__() }}", Kind.SECURITY),
                Arguments.of("{{ [].__class__.__base__ }}", Kind.SECURITY),
                Arguments.of("{{ cycler.__init__.__globals__.os }}", Kind.SECURITY),
                Arguments.of("{{ joiner.__init__.__globals__ }}", Kind.SECURITY),
                Arguments.of("{{ range.__globals__.x }}", Kind.SECURITY),
                Arguments.of("{{ raise_exception.__code__.co_code }}", Kind.SECURITY),
                Arguments.of("{{ messages.__class__.__init__.x }}", Kind.SECURITY),
                Arguments.of("{{ (''|attr('__class__')).x }}", Kind.SECURITY),
                Arguments.of("{{ ['']|map(attribute='__class__.x')|list }}", Kind.SECURITY),
                Arguments.of("{{ '{0.__class__.x}'.format('') }}", Kind.SECURITY),
                Arguments.of("{{ '{x[__class__][x]}'.format_map({'x': ''}) }}", Kind.SECURITY),
                Arguments.of("{{ messages.append(1) }}", Kind.SECURITY),
                Arguments.of("{{ {}.update(a=1) }}", Kind.SECURITY),
                Arguments.of("{{ ''.getClass() }}", Kind.UNDEFINED),
                Arguments.of("{{ ''.class.forName('java.lang.Runtime') }}", Kind.UNDEFINED),
                Arguments.of("{{ messages.class.classLoader }}", Kind.UNDEFINED),
                Arguments.of("{{ [].stream().count() }}", Kind.UNDEFINED),
                Arguments.of("{{ [].elements.size() }}", Kind.UNDEFINED),
                Arguments.of("{{ ''.getBytes() }}", Kind.UNDEFINED),
                Arguments.of("{{ (1).longValue() }}", Kind.UNDEFINED),
                Arguments.of("{{ range(3).hashCode() }}", Kind.UNDEFINED),
                Arguments.of("{{ T(java.lang.Runtime).getRuntime() }}", Kind.UNDEFINED),
                Arguments.of("{{ java.lang.System.exit(1) }}", Kind.UNDEFINED),
                Arguments.of("{{ Math.random() }}", Kind.UNDEFINED),
                Arguments.of("{{ self._TemplateReference__context.x }}", Kind.UNDEFINED),
                Arguments.of("{{ ''['getClass']() }}", Kind.UNDEFINED),
                Arguments.of("{% include '/etc/passwd' %}", Kind.SYNTAX),
                Arguments.of("{% import 'os' as os %}", Kind.SYNTAX),
                Arguments.of("{% from 'os' import system %}", Kind.SYNTAX),
                Arguments.of("{% extends 'x' %}", Kind.SYNTAX));
    }

    private static Arguments limit(String name, String template) {
        return Arguments.of(name, template);
    }

    private static String loops(int depth, String body) {
        return "{% for i in range(100000) %}".repeat(depth) + body + "{% endfor %}".repeat(depth);
    }

    private static String twice(String doubled, int times) {
        return "{% set x = 'a' %}" + ("{% set x = " + doubled + " %}").repeat(times);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("endless")
    void whatWouldNotEndIsStoppedWithinItsLimitAndASecond(String name, String template) {
        TemplateException stopped = fails(template);
        assertThat(stopped.kind()).as(stopped.getMessage()).isEqualTo(Kind.LIMIT);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("forbidden")
    void nothingOfJavaOrOfPythonsInternalsIsReached(String template, Kind kind) {
        TemplateException refused = fails(template);
        assertThat(refused.kind()).as(refused.getMessage()).isEqualTo(kind);
        assertThat(refused.line()).isEqualTo(1);
    }

    @Test
    void theTablesAreLongEnough() {
        assertThat(Stream.concat(endless(), forbidden())).hasSizeGreaterThan(100);
    }

    @Test
    void aSmallStackSufficesForTheDepthThatIsAllowed() throws InterruptedException {
        List<String> deep = List.of(
                "{% macro m() %}{% if 1 %}{{ [m()]|join(',')|upper }}{% endif %}{% endmacro %}{{ m() }}",
                "{{ " + "[".repeat(140) + "]".repeat(140) + " }}",
                "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}");
        Throwable[] thrown = new Throwable[1];
        Thread small = new Thread(null, () -> deep.forEach(HostileTemplatesTest::renderOrStop), "small", 512 << 10);
        small.setUncaughtExceptionHandler((thread, e) -> thrown[0] = e);
        small.start();
        small.join();
        assertThat(thrown[0]).isNull();
    }

    /** Within the depth, or with the limit that is meant: never by the stack's end, which has another message. */
    private static void renderOrStop(String template) {
        try {
            render(template);
        } catch (TemplateException e) {
            assertThat(e).hasMessageContaining("nests its calls, loops or values deeper than");
        }
    }

    @Test
    void timeIsALimitToo() {
        TemplateLimits patient =
                new TemplateLimits(1 << 20, 1 << 20, Long.MAX_VALUE, Long.MAX_VALUE, 600, Duration.ofMillis(50));
        long start = computedNanos();
        TemplateException stopped = catchThrowableOfType(
                TemplateException.class,
                () -> ChatTemplate.parse(loops(4, ""), SpecialTokens.none(), patient)
                        .render(Resources.json("[]"), null, false));
        assertThat(stopped).hasMessageContaining("the template takes longer than 50 ms");
        assertThat(Duration.ofNanos(computedNanos() - start)).isLessThan(SOON);
    }

    @Test
    void theRenderingsOfOneConversationShareTheirTime() {
        TemplateLimits patient =
                new TemplateLimits(1 << 20, 1 << 20, Long.MAX_VALUE, Long.MAX_VALUE, 600, Duration.ofMillis(200));
        String slow = "{% for m in messages %}{{ m.content }}{% endfor %}"
                + "{% for i in range(100000) %}{% for j in range(10) %}{% endfor %}{% endfor %}";
        JsonNode messages = Resources.json(
                "[" + "{'role': 'assistant', 'content': 'a'},".repeat(500) + "{'role': 'assistant', 'content': 'a'}]");
        long start = computedNanos();
        TemplateException stopped = catchThrowableOfType(
                TemplateException.class,
                () -> ChatTemplate.parse(slow, SpecialTokens.none(), patient).renderForTraining(messages, null));
        assertThat(stopped.kind()).isEqualTo(Kind.LIMIT);
        assertThat(Duration.ofNanos(computedNanos() - start)).isLessThan(SOON);
    }

    @Test
    void aLimitThatIsNoneIsRefusedWithAllOthers() {
        IllegalArgumentException refused = catchThrowableOfType(
                IllegalArgumentException.class, () -> new TemplateLimits(0, -1, 0, 0, 601, Duration.ZERO));
        assertThat(refused)
                .hasMessage(
                        "templateChars is 0; must be at least 1, outputChars is -1; must be at least 1,"
                                + " steps is 0; must be at least 1, madeChars is 0; must be at least 1,"
                                + " depth is 601; must be from 1 to 600, time is PT0S; must be more than none, and at most a day");
    }

    @Test
    void whatIsWithinTheLimitsIsNotStopped() {
        assertThat(render("{{ 'a' * 1000000 }}{% for i in range(100000) %}{{ i }}{% endfor %}"))
                .hasSize(1_488_890);
        assertThat(render("{{ " + "(".repeat(100) + "1" + ")".repeat(100) + " }}"))
                .isEqualTo("1");
        assertThat(render("{% macro m(n) %}{{ n }}{{ m(n - 1) if n else '' }}{% endmacro %}{{ m(100) }}"))
                .startsWith("10099");
        assertThat(render("{{ 'a'" + " + 'a'".repeat(140) + " }}")).hasSize(141);
        assertThat(render("{{ 'a'" + " ~ 'a'".repeat(5000) + " }}")).hasSize(5001);
    }

    private static TemplateException fails(String template) {
        long start = computedNanos();
        TemplateException stopped = catchThrowableOfType(TemplateException.class, () -> render(template));
        assertThat(stopped).isNotNull();
        assertThat(Duration.ofNanos(computedNanos() - start))
                .as(stopped.getMessage())
                .isLessThan(SOON);
        return stopped;
    }

    /** By this thread. A limit of time by the clock is over before as much has been computed. */
    private static long computedNanos() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    private static String render(String template) {
        return ChatTemplate.parse(template, SpecialTokens.none(), LIMITS)
                .render(Resources.json("[]"), null, false, Map.of())
                .text();
    }
}
