// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.chorale.model.outline.LinearOutline;
import org.junit.jupiter.api.Test;

/** Which linears have FP8 factors, and what is refused. */
final class Fp8RuleTest {
    private static final List<LinearOutline> LINEARS = List.of(
            linear("model.layers.0.self_attn.q_proj", 32, 32),
            linear("model.layers.0.mlp.down_proj", 48, 32),
            linear("model.layers.1.self_attn.q_proj", 32, 32),
            linear("model.layers.1.mlp.down_proj", 48, 32),
            new LinearOutline("lm_head", 32, 1001, false, true));

    @Test
    void everyLinearOfABlockButNeverTheHead() {
        assertThat(rule(List.of(), List.of()).of(LINEARS))
                .containsExactlyInAnyOrder(
                        "model.layers.0.self_attn.q_proj",
                        "model.layers.0.mlp.down_proj",
                        "model.layers.1.self_attn.q_proj",
                        "model.layers.1.mlp.down_proj");
    }

    @Test
    void endsOfNamesAndWholeLayersAreLeftOut() {
        assertThat(rule(List.of("down_proj", "lm_head"), List.of(1)).of(LINEARS))
                .containsExactly("model.layers.0.self_attn.q_proj");
    }

    @Test
    void whatDoesNotFitTheModelIsRefusedAllAtOnce() {
        assertThatThrownBy(
                        () -> rule(List.of("own_proj", "proj"), List.of(2, -1)).of(LINEARS))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("""
                        fp8.exclude = own_proj: ends the name of no linear; the nearest is down_proj
                        fp8.exclude = proj: ends the name of no linear; the nearest is q_proj
                        fp8.exclude-layers = 2: the model has the layers 0 to 1
                        fp8.exclude-layers = -1: the model has the layers 0 to 1""");
        assertThatThrownBy(() -> rule(List.of(), List.of(0, 1)).of(LINEARS)).hasMessageContaining("leave no linear");
    }

    @Test
    void oddWidthsAreRefusedByNameUnlessTheyAreLeftOut() {
        List<LinearOutline> odd = List.of(LINEARS.get(0), linear("model.layers.0.mlp.up_proj", 32, 40));
        assertThatThrownBy(() -> rule(List.of(), List.of()).of(odd))
                .hasMessage("fp8.scaling: model.layers.0.mlp.up_proj reads 32 numbers and gives 40, and FP8 takes"
                        + " multiples of 16: name it in fp8.exclude");
        assertThat(rule(List.of("up_proj"), List.of()).of(odd)).hasSize(1);
    }

    private static Fp8Rule rule(List<String> exclude, List<Integer> layers) {
        return new Fp8Rule(Fp8Scaling.TENSOR, exclude, layers);
    }

    private static LinearOutline linear(String module, long inputs, long outputs) {
        return new LinearOutline(module, inputs, outputs, false, false);
    }
}
