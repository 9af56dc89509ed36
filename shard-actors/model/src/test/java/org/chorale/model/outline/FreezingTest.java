// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.outline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.Stream;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class FreezingTest {
    private static final List<UnitOutline> UNITS = List.of(
            unit("root", "model.embed_tokens.weight"),
            unit("model.layers.0", "model.layers.0.q.weight", "model.layers.0.q.bias"),
            unit("model.layers.11", "model.layers.11.q.weight"),
            unit("head", "model.norm.weight", "lm_head.weight"));

    @ParameterizedTest
    @CsvSource({
        "model.layers.*.q.weight, model.layers.0.q.weight model.layers.11.q.weight",
        "model.layers.*.weight, ",
        "model.layers.**, model.layers.0.q.weight model.layers.0.q.bias model.layers.11.q.weight",
        "**.weight, model.embed_tokens.weight model.layers.0.q.weight model.layers.11.q.weight model.norm.weight"
                + " lm_head.weight",
        "model.layers.{1..11}.**, model.layers.11.q.weight",
        "model.layers.{0..1}.**, model.layers.0.q.weight model.layers.0.q.bias",
        "lm_head.weight, lm_head.weight",
        "lm_head+weight, ",
        "lm_head, ",
    })
    void aGlobMatchesWholeNames(String glob, String names) {
        NamePattern pattern = NamePattern.glob(glob);
        assertThat(names(UNITS).filter(pattern::matches))
                .containsExactlyElementsOf(names == null ? List.of() : List.of(names.split(" ")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a.{1}", "a.{3..2}", "a.{0..99999}", "a}", "{..}"})
    void aGlobThatSaysNothingIsRefused(String glob) {
        assertThatThrownBy(() -> NamePattern.glob(glob)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void whatIsFrozenStaysInItsUnitWithoutGradient() {
        List<UnitOutline> units = new Freezing(globs("model.embed_tokens.*", "**.bias"), List.of()).apply(UNITS);
        assertThat(names(units)).containsExactlyElementsOf(names(UNITS).toList());
        assertThat(trained(units))
                .containsExactly(
                        "model.layers.0.q.weight", "model.layers.11.q.weight", "model.norm.weight", "lm_head.weight");
    }

    @Test
    void trainOnlyFreezesEverythingElse() {
        assertThat(trained(new Freezing(List.of(), globs("lm_head.weight", "**norm**")).apply(UNITS)))
                .containsExactly("model.norm.weight", "lm_head.weight");
        assertThat(trained(new Freezing(globs("**norm**"), globs("lm_head.weight", "**norm**")).apply(UNITS)))
                .containsExactly("lm_head.weight");
    }

    @Test
    void everyPatternThatMatchesNothingIsNamedWithTheNearestParameter() {
        Freezing freezing = new Freezing(globs("model.embed_token.weight"), globs("lm_heads.weight"));
        assertThatThrownBy(() -> freezing.apply(UNITS))
                .hasMessage("model.freeze = model.embed_token.weight: matches no parameter; the nearest is"
                        + " model.embed_tokens.weight\nmodel.train-only = lm_heads.weight: matches no parameter; the"
                        + " nearest is lm_head.weight");
    }

    @Test
    void aModelInWhichNothingIsTrainedIsRefused() {
        assertThatThrownBy(() -> new Freezing(globs("**"), List.of()).apply(UNITS))
                .hasMessage("model.freeze and model.train-only leave no parameter to train");
    }

    @ParameterizedTest
    @ValueSource(strings = {"(", "a(?=b)", "(a)\\1", "(((a{100}){100}){100}){100}", "a{1001}", "a{99999999999}"})
    void anExpressionThatIsNoneOrCostsTooMuchIsRefused(String expression) {
        assertThatThrownBy(() -> NamePattern.regex(expression))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(expression);
    }

    @Test
    void anExpressionThatBacktracksElsewhereTakesNoTime() {
        NamePattern pattern = NamePattern.regex("(a*)*(a|aa)+b{1,10}");
        assertThat(pattern.matches("a".repeat(5000))).isFalse();
        assertThat(pattern.matches("a".repeat(50) + "b")).isTrue();
    }

    private static List<NamePattern> globs(String... globs) {
        return Stream.of(globs).map(NamePattern::glob).toList();
    }

    private static Stream<String> names(List<UnitOutline> units) {
        return units.stream().flatMap(unit -> unit.parameters().stream()).map(ParameterOutline::name);
    }

    private static Stream<String> trained(List<UnitOutline> units) {
        return units.stream()
                .flatMap(unit -> unit.parameters().stream())
                .filter(ParameterOutline::trainable)
                .map(ParameterOutline::name);
    }

    private static UnitOutline unit(String name, String... parameters) {
        return new UnitOutline(
                name, Stream.of(parameters).map(p -> ParameterOutline.of(p, 2)).toList());
    }
}
