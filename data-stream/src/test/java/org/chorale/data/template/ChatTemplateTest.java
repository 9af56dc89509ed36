// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.stream.IntStream;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateException.Kind;
import org.chorale.data.template.limit.TemplateLimits;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ChatTemplateTest {
    private static final JsonNode HELLO = Resources.json("[{'role': 'user', 'content': 'Hello'}]");

    @ParameterizedTest
    @CsvSource(delimiter = '!', textBlock = """
            \\n\\n{{ x.y }}                             ! UNDEFINED ! line 3: 'x' is undefined
            {% if 1 %}\\n{{ messages[0].a.b }}{% endif %} ! UNDEFINED ! line 2: 'dict object' has no attribute 'a'
            {{ messages[7].a }}                         ! UNDEFINED ! line 1: list object has no element 7
            {{ 1 + 'a' }}                               ! OPERATION ! line 1: unsupported operand type(s) for +: 'int' and 'str'
            \\n{{ 'a' + 1 }}                            ! OPERATION ! line 2: can only concatenate str (not "int") to str
            {% macro m(a) %}\\n{{ a.b }}{% endmacro %}\\n{{ m(none) }}x{{ m() }} ! UNDEFINED ! line 2: parameter 'a' was not provided
            {% for a in 5 %}{% endfor %}                ! OPERATION ! line 1: 'int' object is not iterable
            {{ messages.append(1) }}                    ! SECURITY  ! line 1: access to attribute 'append' of 'list' object is unsafe.
            {{ 'x' | random }}                          ! OPERATION ! line 1: the filter random is not supported: a text must be the same each time it is rendered
            {{ 5 | tojson | join(1, 2, 3) }}            ! OPERATION ! line 1: join() takes at most 2 arguments (3 given)
            {{ 5 | indent(wide=1) }}                    ! OPERATION ! line 1: indent() got an unexpected keyword argument 'wide'
            """)
    void anErrorSaysWhereAndWhy(String template, Kind kind, String message) {
        TemplateException failed =
                catchThrowableOfType(TemplateException.class, () -> render(template.replace("\\n", "\n")));
        assertThat(failed.kind()).isEqualTo(kind);
        assertThat(failed).hasMessage(message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '!', textBlock = """
            \\n{% foo %}              ! line 2: Encountered unknown tag 'foo'.
            {% do x %}                ! line 1: Encountered unknown tag 'do'.
            {% if 1 %}\\n{% endfor %} ! line 2: Encountered unknown tag 'endfor'. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'.
            {% if 1 %}                ! line 1: Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'.
            {{ a b }}                 ! line 1: expected token 'end of print statement', got 'b'
            {{ (a }}                  ! line 1: unexpected '}', expected ')'
            {{ 'abc }}                ! line 1: unexpected char "'" at 3
            \\n\\n{{ a ? b }}         ! line 3: unexpected char '?' at 7
            {{ a | nothing }}         ! line 1: No filter named 'nothing'.
            {{ a is nothing }}        ! line 1: No test named 'nothing'.
            {% include 'a' %}         ! line 1: the tag 'include' is not supported: a chat template is one file, without others
            {% block a %}{% endblock %} ! line 1: the tag 'block' is not supported: a chat template is one file, without others
            {# a                      ! line 1: Missing end of comment tag
            {% break %}               ! line 1: 'break' outside loop
            """)
    void whatIsNoTemplateIsRefusedWithItsLine(String template, String message) {
        TemplateException failed = catchThrowableOfType(
                TemplateException.class,
                () -> ChatTemplate.parse(template.replace("\\n", "\n"), SpecialTokens.none(), TemplateLimits.DEFAULT));
        assertThat(failed.kind()).isEqualTo(Kind.SYNTAX);
        assertThat(failed).hasMessage(message);
    }

    @Test
    void whatATemplateRaisesIsToldUnchanged() {
        TemplateException raised = catchThrowableOfType(
                TemplateException.class, () -> render("\n\n{{ raise_exception('roles must alternate') }}"));
        assertThat(raised).hasMessage("roles must alternate");
        assertThat(raised.kind()).isEqualTo(Kind.RAISED);
        assertThat(raised.line()).isEqualTo(3);
    }

    @Test
    void variablesAreThoseOfTransformers() {
        ChatTemplate template = ChatTemplate.parse(
                "{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}{{ bos_token }}{{ eos_token is defined }}"
                        + "{{ messages | length }}{{ (more or {}).x }}",
                new SpecialTokens(Map.of("bos_token", "<s>")),
                TemplateLimits.DEFAULT);
        assertThat(template.render(HELLO, null, true, Map.of("more", Resources.json("{'x': [1.0, null, true]}")))
                        .text())
                .isEqualTo("TrueTrueTrue<s>False1[1.0, None, True]");
        assertThat(template.render(HELLO, Resources.json("[]"), false).text()).isEqualTo("FalseTrueFalse<s>False1");
    }

    @Test
    void numbersOfJsonAreThoseOfPython() {
        JsonNode numbers =
                Resources.json("[1, 1.0, 1e2, 123456789012345678901234567890, -0.0, 1e400, 0.1, 10000000000000000.0]");
        assertThat(ChatTemplate.parse("{{ messages }}", SpecialTokens.none(), TemplateLimits.DEFAULT)
                        .render(numbers, null, false)
                        .text())
                .isEqualTo("[1, 1.0, 100.0, 123456789012345678901234567890, -0.0, inf, 0.1, 1e+16]");
    }

    @Test
    void messagesThatAreNoArrayAreRefused() {
        assertThatThrownBy(() -> ChatTemplate.parse("", SpecialTokens.none(), TemplateLimits.DEFAULT)
                        .render(Resources.json("{}"), null, false))
                .isInstanceOf(TemplateException.class)
                .hasMessage("messages must be an array of objects");
    }

    @Test
    void theClockTellsTheDay() {
        ChatTemplate template =
                ChatTemplate.parse("{{ strftime_now('%d %b %Y') }}", SpecialTokens.none(), TemplateLimits.DEFAULT);
        Clock clock = Clock.fixed(Instant.parse("2031-02-03T00:00:00Z"), ZoneOffset.UTC);
        assertThat(template.at(clock).render(HELLO, null, false).text()).isEqualTo("03 Feb 2031");
        assertThat(template.render(HELLO, null, false).text()).isNotEqualTo("03 Feb 2031");
    }

    @Test
    void manyThreadsRenderOneTemplateAtOnce() {
        ChatTemplate template = ChatTemplate.parse(
                "{% set ns = namespace(n=0) %}{% set c = cycler('a', 'b') %}{% for m in messages %}{% set ns.n = ns.n + m %}"
                        + "{{ c.next() }}{% endfor %}{{ ns.n }}",
                SpecialTokens.none(), TemplateLimits.DEFAULT);
        assertThat(IntStream.range(0, 2000)
                        .parallel()
                        .mapToObj(i -> template.render(Resources.json("[" + i + ", 1, 2]"), null, false)
                                .text()
                                .equals("aba" + (i + 3))))
                .containsOnly(true);
    }

    private static String render(String template) {
        return ChatTemplate.parse(template, SpecialTokens.none(), TemplateLimits.DEFAULT)
                .render(HELLO, null, false)
                .text();
    }
}
