// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateLimits;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Templates of the kinds that are published, and what of their text is trained. */
class TrainedTurnsTest {
    private static final String CHATML = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}"
            + "{% if add_generation_prompt %}<|assistant|>{% endif %}";

    /** The prompt is part of what the user's message writes, as in templates without a generation prompt. */
    private static final String INSTRUCT = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
            + "[INST] {{ m.content }} [/INST]{% else %} {{ m.content | trim }}{{ eos_token }}{% endif %}{% endfor %}";

    /** No prompt at all: a model that is asked writes the role itself. */
    private static final String ROLES_ONLY = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";

    /** Shows what was thought in the last turn only, and adds an empty thought to it. */
    private static final String THINKING = "{% set ns = namespace(last=0) %}"
            + "{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
            + "{% for m in messages %}"
            + "{% if m.role == 'assistant' %}{% set said = m.content.split('</think>')[-1].lstrip('\n') %}"
            + "{% set thought = m.content.split('</think>')[0].split('<think>')[-1].strip('\n')"
            + " if '</think>' in m.content else '' %}"
            + "<|assistant|>{% if loop.index0 > ns.last %}<think>{{ thought }}</think>{% endif %}{{ said }}<|end|>\n"
            + "{% else %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endif %}{% endfor %}"
            + "{% if add_generation_prompt %}<|assistant|>{% endif %}";

    /** Opens a thought for the model, which earlier turns do not have. */
    private static final String OPENED_THOUGHT = "{% for m in messages %}<|{{ m.role }}|>"
            + "{{ m.content.split('</think>')[-1] }}<|end|>{% endfor %}"
            + "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}";

    private static final String FOOTER = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
            + "{% if add_generation_prompt %}<|assistant|>{% else %}<|endoftext|>{% endif %}";

    private static final String COUNTER = "{% for m in messages %}[{{ m.role | upper }}] {{ m.content }}\n{% endfor %}"
            + "{{ messages | length }}{% if add_generation_prompt %}[ASSISTANT]{% endif %}";

    private static final String ALWAYS_PROMPTS =
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>";

    private static final String SEPARATED = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>"
            + "{% if not loop.last %}\n\n{% endif %}{% endfor %}"
            + "{% if add_generation_prompt %}\n\n<|assistant|>{% endif %}";

    /** Leaves the last message open, so that it can be continued. */
    private static final String OPEN_END = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
            + "{% if not loop.last or add_generation_prompt %}<|end|>\n{% endif %}{% endfor %}"
            + "{% if add_generation_prompt %}<|assistant|>{% endif %}";

    private static final String PROMPT_IN_LOOP =
            "{% for m in messages %}\n<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n"
                    + "{% if loop.last and add_generation_prompt %}\n<|assistant|>\n{% endif %}\n{% endfor %}";

    private static final String SYSTEM_HOISTED =
            "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"
                    + "{% set rest = messages[1:] %}{% else %}{% set system = 'none' %}{% set rest = messages %}{% endif %}"
                    + "<<{{ system }}>>{% for m in rest %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
                    + "{% if add_generation_prompt %}<|assistant|>{% endif %}";

    /** Each turn's number is looked up, so that no loop has the message as its element. */
    private static final String BY_INDEX = "{% for i in range(messages | length) %}<|{{ messages[i].role }}|>"
            + "{{ messages[i]['content'] }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

    private static final String TOOLS = "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}"
            + "{% for m in messages %}{% if m.role == 'assistant' and m.tool_calls %}<|assistant|>{{ m.content or '' }}"
            + "{% for c in m.tool_calls %}<call>{{ c.function | tojson }}</call>{% endfor %}<|end|>"
            + "{% else %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
            + "{% if add_generation_prompt %}<|assistant|>{% endif %}";

    private static final String GENERATION = "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}"
            + "{% generation %}{{ m.content }}<|end|>{% endgeneration %}{% else %}{{ m.content }}<|end|>{% endif %}"
            + "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

    private static final String TWO_TURNS =
            "[{'role': 'user', 'content': 'q1'}, {'role': 'assistant', 'content': 'a1'},"
                    + " {'role': 'user', 'content': 'q2'}, {'role': 'assistant', 'content': 'a2'}]";
    private static final String WITH_SYSTEM = "[{'role': 'system', 'content': 's'}, {'role': 'user', 'content': 'q1'},"
            + " {'role': 'assistant', 'content': 'a1'}, {'role': 'user', 'content': 'q2'}]";
    private static final String THOUGHTFUL = "[{'role': 'user', 'content': 'q1'},"
            + " {'role': 'assistant', 'content': '<think>t1</think>\\n\\na1'}, {'role': 'user', 'content': 'q2'},"
            + " {'role': 'assistant', 'content': '<think>t2</think>\\n\\na2'}]";
    private static final String IN_A_ROW = "[{'role': 'user', 'content': 'q1'}, {'role': 'assistant', 'content': 'a1'},"
            + " {'role': 'assistant', 'content': 'a2'}]";
    private static final String ASSISTANT_FIRST =
            "[{'role': 'assistant', 'content': 'a1'}, {'role': 'user', 'content': 'q1'},"
                    + " {'role': 'assistant', 'content': 'a2'}]";
    private static final String CALLS = "[{'role': 'user', 'content': 'q1'}, {'role': 'assistant', 'content': null,"
            + " 'tool_calls': [{'function': {'name': 'f', 'arguments': {'x': 1}}}]}, {'role': 'tool', 'content': '7'},"
            + " {'role': 'assistant', 'content': 'a1'}]";
    private static final String UNASKED = "[{'role': 'user', 'content': 'q1'}]";

    static Stream<Arguments> proven() {
        return Stream.of(
                row(CHATML, TWO_TURNS, "a1<|end|>\n", "a2<|end|>\n"),
                row(CHATML, WITH_SYSTEM, "a1<|end|>\n"),
                row(CHATML, IN_A_ROW, "a1<|end|>\n", "a2<|end|>\n"),
                row(CHATML, ASSISTANT_FIRST, "a1<|end|>\n", "a2<|end|>\n"),
                row(CHATML, UNASKED),
                row(CHATML, "[]"),
                row(CHATML, "[{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': ''}]", "<|end|>\n"),
                row(CHATML, "[{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'a'}]", "a<|end|>\n"),
                row(
                        CHATML,
                        "[{'role': 'user', 'content': '<|assistant|>x<|end|>\\n'},"
                                + " {'role': 'assistant', 'content': 'x'}]",
                        "x<|end|>\n"),
                row(
                        CHATML,
                        "[{'role': 'assistant', 'content': 'a'}, {'role': 'assistant', 'content': 'a'}]",
                        "a<|end|>\n",
                        "a<|end|>\n"),
                row(INSTRUCT, TWO_TURNS, " a1</s>", " a2</s>"),
                row(ROLES_ONLY, TWO_TURNS, "assistant: a1\n", "assistant: a2\n"),
                row(THINKING, TWO_TURNS, "a1<|end|>\n", "<think></think>a2<|end|>\n"),
                row(THINKING, THOUGHTFUL, "a1<|end|>\n", "<think>t2</think>a2<|end|>\n"),
                row(THINKING, WITH_SYSTEM, "a1<|end|>\n"),
                row(OPENED_THOUGHT, TWO_TURNS, "a1<|end|>", "a2<|end|>"),
                row(OPENED_THOUGHT, THOUGHTFUL, "\n\na1<|end|>", "\n\na2<|end|>"),
                row(FOOTER, TWO_TURNS, "a1<|end|>", "a2<|end|>"),
                row(FOOTER, "[{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'a'}]", "a<|end|>"),
                row(COUNTER, TWO_TURNS, " a1\n", " a2\n"),
                row(COUNTER, "[{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'a'}]", " a\n"),
                row(ALWAYS_PROMPTS, TWO_TURNS, "a1<|end|>", "a2<|end|>"),
                row(SEPARATED, TWO_TURNS, "a1<|end|>", "a2<|end|>"),
                row(SEPARATED, ASSISTANT_FIRST, "a1<|end|>", "a2<|end|>"),
                row(OPEN_END, TWO_TURNS, "a1<|end|>\n", "a2"),
                row(PROMPT_IN_LOOP, TWO_TURNS, "a1</s>\n", "a2</s>\n"),
                row(SYSTEM_HOISTED, TWO_TURNS, "a1<|end|>", "a2<|end|>"),
                row(SYSTEM_HOISTED, WITH_SYSTEM, "a1<|end|>"),
                row(BY_INDEX, TWO_TURNS, "a1<|end|>", "a2<|end|>"),
                row(BY_INDEX, IN_A_ROW, "a1<|end|>", "a2<|end|>"),
                row(TOOLS, CALLS, "<call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</call><|end|>", "a1<|end|>"),
                row(TOOLS, TWO_TURNS, "a1<|end|>", "a2<|end|>"),
                row(GENERATION, TWO_TURNS, "a1<|end|>", "a2<|end|>"),
                row(GENERATION, WITH_SYSTEM, "a1<|end|>"),
                row(GENERATION, UNASKED),
                row(
                        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% generation %}!"
                                + "{% endgeneration %}{% endfor %}",
                        UNASKED, "q1!"),
                row("{% generation %}a{% generation %}b{% endgeneration %}c{% endgeneration %}d", UNASKED, "abc"),
                row(
                        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{% endgeneration %}{% endif %}"
                                + "{% endfor %}",
                        TWO_TURNS));
    }

    static Stream<Arguments> ambiguous() {
        return Stream.of(
                // what the assistant said is nowhere
                Arguments.of(
                        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
                        TWO_TURNS, "content is not"),
                Arguments.of("{% for m in messages %}<|{{ m.role }}|><|end|>{% endfor %}", TWO_TURNS, "content is not"),
                // said twice
                Arguments.of(
                        "{% for m in messages %}{{ m.content }}{% endfor %}{% for m in messages %}{{ m.content }}{% endfor %}",
                        TWO_TURNS, "at several places"),
                // the prompt is not what turns begin with
                Arguments.of(
                        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
                                + "{% if add_generation_prompt %}[other]{% endif %}",
                        TWO_TURNS, "generation prompt"),
                // the answer of a tool within the call
                Arguments.of(
                        "{% for m in messages %}{% if m.role != 'tool' %}<|{{ m.role }}|>{{ m.content }}"
                                + "{% if loop.nextitem and loop.nextitem.role == 'tool' %}={{ loop.nextitem.content }}{% endif %}"
                                + "<|end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
                        CALLS, "others' words may be part of it"),
                // the next message's beginning at the end of this one
                Arguments.of(
                        "{% for m in messages %}{{ m.content }}{% if not loop.last %}<|{{ loop.nextitem.role }}|>{% endif %}"
                                + "{% endfor %}",
                        TWO_TURNS, "writes more behind it"),
                // one message's words in another's place
                Arguments.of(
                        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ messages[0].content if loop.last }}<|end|>"
                                + "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}{{ messages | length }}",
                        TWO_TURNS, "others' words may be part of it"),
                // messages within messages
                Arguments.of(
                        "{% for a in messages %}{% for m in messages %}{{ m.content }}{% endfor %}{% endfor %}",
                        TWO_TURNS, "at several places"),
                Arguments.of(
                        "{% for u in messages if u.role == 'user' %}{{ u.content }}"
                                + "{% for m in messages if m.role == 'assistant' %}{{ m.content }}{% endfor %}{% endfor %}"
                                + "{{ messages | length }}",
                        IN_A_ROW, "for another message within it"),
                // by index, and with an end
                Arguments.of(
                        BY_INDEX + "{% if not add_generation_prompt %}END{% endif %}",
                        TWO_TURNS,
                        "when messages follow"),
                Arguments.of(
                        "{% for i in range(messages | length) %}<|{{ messages[i].role }}|>{{ messages[i].content }}{% endfor %}"
                                + "<|assistant|>",
                        "[{'role': 'user', 'content': 'q1'}, {'role': 'assistant', 'content': 'a1'}]",
                        "when messages follow"),
                // the whole loop is captured
                Arguments.of("{% set all %}" + THINKING + "{% endset %}{{ all }}", THOUGHTFUL, "no loop writes it"),
                // the place of a generation block is lost
                Arguments.of(
                        "{% macro turn(m) %}{% generation %}{{ m.content }}{% endgeneration %}{% endmacro %}"
                                + "{% for m in messages %}{{ turn(m) }}{% endfor %}",
                        TWO_TURNS, "a generation block stands in a macro"));
    }

    private static Arguments row(String template, String messages, String... trained) {
        return Arguments.of(template, messages, List.of(trained));
    }

    @ParameterizedTest
    @MethodSource("proven")
    void theTurnsOfTheAssistantAreTrainedAndNothingElse(String template, String messages, List<String> trained) {
        RenderedChat chat = template(template).renderForTraining(Resources.json(messages), null);
        assertThat(chat.trained()).extracting(span -> span.of(chat.text())).isEqualTo(trained);
        assertThat(chat.text())
                .isEqualTo(template(template)
                        .render(Resources.json(messages), null, false)
                        .text());
    }

    /** The same words from all must not mislead: only the places tell the turns apart. */
    @ParameterizedTest
    @MethodSource("proven")
    void whoSaidItCountsAndNotWhat(String template, String messages, List<String> trained) {
        JsonNode alike = Resources.json(messages.replaceAll("'content': '[^']*'", "'content': 'same'"));
        RenderedChat chat = template(template).renderForTraining(alike, null);
        assertThat(chat.trained())
                .hasSameSizeAs(trained)
                .allSatisfy(span -> assertThat(span.of(chat.text())).doesNotContain("user", "system"));
    }

    @ParameterizedTest
    @MethodSource("ambiguous")
    void whatIsNotProvenIsRefusedWithAdvice(String template, String messages, String reason) {
        assertThatThrownBy(() -> template(template).renderForTraining(Resources.json(messages), null))
                .isInstanceOf(AmbiguousTurnsException.class)
                .hasMessageContaining(reason)
                .hasMessageContaining("put {% generation %} and {% endgeneration %} into the template");
        assertThat(template(template)
                        .render(Resources.json(messages), null, false)
                        .trained())
                .isEmpty();
    }

    @Test
    void spansCountUtf16Units() {
        RenderedChat chat = template(CHATML)
                .renderForTraining(
                        Resources.json("[{'role': 'user', 'content': '😀'}, {'role': 'assistant', 'content': '😀é'}]"),
                        null);
        assertThat(chat.text()).isEqualTo("<|user|>😀<|end|>\n<|assistant|>😀é<|end|>\n");
        assertThat(chat.trained()).containsExactly(new Span(31, 42));
    }

    @Test
    void partsOfAContentAreFound() {
        RenderedChat chat = template(
                        "{% for m in messages %}<|{{ m.role }}|>{% for p in m.content %}{{ p.text }}{% endfor %}"
                                + "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}")
                .renderForTraining(
                        Resources.json("[{'role': 'user', 'content': [{'type': 'text', 'text': 'q'}]},"
                                + " {'role': 'assistant', 'content': [{'type': 'text', 'text': 'a'},"
                                + " {'type': 'text', 'text': 'b'}]}]"),
                        null);
        assertThat(chat.trained()).extracting(span -> span.of(chat.text())).containsExactly("ab<|end|>");
    }

    @Test
    void aTemplateThatRefusesTheBeginningOfAConversationCanStillBeProven() {
        String fussy = "{% if messages | length < 3 %}{{ raise_exception('too short') }}{% endif %}" + CHATML;
        RenderedChat chat = template(fussy).renderForTraining(Resources.json(TWO_TURNS), null);
        assertThat(chat.trained())
                .extracting(span -> span.of(chat.text()))
                .containsExactly("a1<|end|>\n", "a2<|end|>\n");
    }

    @Test
    void aTemplateThatRefusesTheConversationSaysSoItself() {
        assertThatThrownBy(() ->
                        template("{{ raise_exception('no') }}").renderForTraining(Resources.json(TWO_TURNS), null))
                .isExactlyInstanceOf(TemplateException.class)
                .hasMessage("no");
    }

    @Test
    void moreVariablesReachTheTemplate() {
        RenderedChat chat = template("{{ date }}" + CHATML)
                .renderForTraining(Resources.json(TWO_TURNS), null, Map.of("date", Resources.json("'today'")));
        assertThat(chat.text()).startsWith("today<|user|>");
        assertThat(chat.trained()).hasSize(2);
    }

    private static ChatTemplate template(String source) {
        SpecialTokens tokens = new SpecialTokens(Map.of("bos_token", "<s>", "eos_token", "</s>"));
        return ChatTemplate.parse(source, tokens, TemplateLimits.DEFAULT);
    }
}
