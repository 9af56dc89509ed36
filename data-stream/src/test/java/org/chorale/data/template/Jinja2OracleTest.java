// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.StreamSupport;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateLimits;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Replays what Python's Jinja2 computed, see the README beside the data. */
class Jinja2OracleTest {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2024-07-06T05:04:03Z"), ZoneOffset.UTC);
    private static final JsonNode ORACLE = Resources.read("jinja2.json");

    static Set<String> groups() {
        Set<String> groups = new TreeSet<>();
        ORACLE.get("cases").forEach(one -> groups.add(one.get("group").textValue()));
        return groups;
    }

    @ParameterizedTest
    @MethodSource("groups")
    void everyCaseRendersOrFailsAsInPython(String group) {
        Map<String, JsonNode> variables = new LinkedHashMap<>();
        ORACLE.get("variables").properties().forEach(each -> variables.put(each.getKey(), each.getValue()));
        assertThat(StreamSupport.stream(ORACLE.get("cases").spliterator(), false)
                        .filter(one -> one.get("group").textValue().equals(group)))
                .isNotEmpty()
                .allSatisfy(one -> assertThat(outcome(one.get("template").textValue(), variables))
                        .as(one.get("template").textValue())
                        .isEqualTo(
                                one.has("error")
                                        ? "error " + one.get("error").textValue()
                                        : "text " + one.get("expected").textValue()));
    }

    @Test
    void thereAreEnoughCasesOfEachKind() {
        assertThat(ORACLE.get("cases").size()).isGreaterThan(2300);
        assertThat(groups()).hasSizeGreaterThan(25);
    }

    private static String outcome(String template, Map<String, JsonNode> variables) {
        try {
            return "text "
                    + ChatTemplate.parse(template, SpecialTokens.none(), TemplateLimits.DEFAULT)
                            .at(CLOCK)
                            .render(Resources.json("[]"), null, false, variables)
                            .text();
        } catch (TemplateException e) {
            return "error " + e.kind().name().toLowerCase(Locale.ROOT);
        }
    }
}
