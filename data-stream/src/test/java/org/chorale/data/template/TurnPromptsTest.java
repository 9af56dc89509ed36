// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.chorale.data.template.limit.TemplateLimits;
import org.junit.jupiter.api.Test;

/** Where an assistant's text begins, for the ways in which published templates write what stands before it. */
class TurnPromptsTest {
    private static final String CHATML = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<e>\n{% endfor %}";
    private static final String TWO_ANSWERS =
            "[{'role':'user','content':'q'},{'role':'assistant','content':'r1'},{'role':'assistant','content':'r2'}]";
    private static final String GREETING =
            "[{'role':'assistant','content':'hi'},{'role':'user','content':'q'},{'role':'assistant','content':'r'}]";
    private static final String TWO_TURNS =
            "[{'role':'user','content':'q1'},{'role':'assistant','content':'<think>t1</think>\\nr1'},"
                    + "{'role':'user','content':'q2'},{'role':'assistant','content':'<think>t2</think>\\nr2'}]";

    /** As DeepSeek's: what a tool says ends when no tool speaks any more, whoever speaks then. */
    private static final String TOOL_RESULTS = "{% set ns = namespace(tool=false) %}{% for m in messages %}"
            + "{% if m.role == 'tool' %}{% set ns.tool = true %}<result>{{ m.content }}"
            + "{% elif m.role == 'user' %}<user>{{ m.content }}"
            + "{% elif ns.tool %}{% set ns.tool = false %}</results>{{ m.content }}<e>"
            + "{% else %}<assistant>{{ m.content }}<e>{% endif %}{% endfor %}"
            + "{% if ns.tool %}</results>{% elif add_generation_prompt %}<assistant>{% endif %}";

    @Test
    void aSecondAnswerIsTrainedWithoutTheWordsBeforeItWhereOnlyAQuestionIsPrompted() {
        String template = CHATML
                + "{% if add_generation_prompt and messages[-1].role != 'assistant' %}<|assistant|>\n{% endif %}";
        assertThat(trained(template, TWO_ANSWERS)).containsExactly("r1<e>\n", "r2<e>\n");
    }

    @Test
    void aFirstMessageIsTrainedWithoutTheWordsBeforeItWhereTheLoopWritesThePrompt() {
        String template = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<e>\n"
                + "{% if loop.last and add_generation_prompt %}<|assistant|>\n{% endif %}{% endfor %}";
        assertThat(trained(template, GREETING)).containsExactly("hi<e>\n", "r<e>\n");
    }

    @Test
    void aPromptThatBeginsAThoughtCountsAsFarAsAnEarlierTurnHasIt() {
        String template = "{% for m in messages %}<|{{ m.role }}|>"
                + "{{ m.content if loop.last else m.content.split('</think>')[-1] }}<e>{% endfor %}"
                + "{% if add_generation_prompt %}<|assistant|><think>{% endif %}";
        assertThat(trained(template, TWO_TURNS)).containsExactly("\nr1<e>", "t2</think>\nr2<e>");
    }

    @Test
    void whatEndsTheResultsOfAToolIsNotTrained() {
        assertThat(trained(
                        TOOL_RESULTS,
                        "[{'role':'user','content':'q'},{'role':'assistant','content':'call'},"
                                + "{'role':'tool','content':'5'},{'role':'assistant','content':'r'}]"))
                .containsExactly("call<e>", "r<e>");
    }

    @Test
    void aTurnThatTheTemplateBeginsOtherwiseThanThePromptIsRefused() {
        String template = "{% for m in messages %}({{ m.role }} {{ loop.index }}) {{ m.content }}{% endfor %}"
                + "{% if add_generation_prompt %}(answer) {% endif %}";
        assertThatThrownBy(() -> trained(template, TWO_TURNS)).isInstanceOf(AmbiguousTurnsException.class);
    }

    private static List<String> trained(String template, String messages) {
        RenderedChat chat = ChatTemplate.parse(template, SpecialTokens.none(), TemplateLimits.DEFAULT)
                .renderForTraining(Resources.json(messages), null);
        return chat.trained().stream().map(span -> span.of(chat.text())).toList();
    }
}
