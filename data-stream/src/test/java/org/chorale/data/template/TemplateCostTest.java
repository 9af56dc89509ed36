// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.time.Duration;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateLimits;
import org.junit.jupiter.api.Test;

class TemplateCostTest {
    @Test
    void aLongLineOfTagsIsReadInTimeThatGrowsWithItsLength() {
        String template = "{% if 0 %}{% endif %}".repeat(45_000);
        assertThat(assertTimeoutPreemptively(Duration.ofSeconds(4), () -> rendered(template)))
                .isEmpty();
    }

    @Test
    void aTagTakesTheBlanksBeforeItOnlyAtTheStartOfALine() {
        assertThat(rendered("  {% if 1 %}a  {% endif %}\n\t {% if 1 %}b{% endif %}{{ 1 }} {% if 1 %}c{% endif %}"))
                .isEqualTo("a  b1 c");
    }

    @Test
    void comparingTheBeginningWithManyTextsCountsTheirLength() {
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> rendered("{{ ('a' * 1000000).startswith(('a' * 999999 ~ 'b',) * 2000) }}"))
                .satisfies(e -> assertThat(e.kind()).isEqualTo(TemplateException.Kind.LIMIT));
    }

    private static String rendered(String template) {
        return ChatTemplate.parse(template, SpecialTokens.none(), TemplateLimits.DEFAULT)
                .render(Resources.json("[]"), null, false)
                .text();
    }
}
