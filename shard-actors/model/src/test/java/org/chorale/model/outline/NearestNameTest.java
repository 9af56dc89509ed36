// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.outline;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class NearestNameTest {
    private static final List<String> MODULES =
            List.of("model.embed_tokens", "model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj", "lm_head");

    @ParameterizedTest
    @CsvSource({"kitten, kittens, sitting", "stepz, steps, epochs", "ab, abcd, abcdef", "'', a, ab"})
    void theNearestNameTakesTheFewestEdits(String written, String near, String far) {
        assertThat(NearestName.to(written, List.of(near, far))).isEqualTo(near);
        assertThat(NearestName.to(written, List.of(far, near))).isEqualTo(near);
    }

    @Test
    void ofNamesThatAreAsNearTheFirstIsTaken() {
        assertThat(NearestName.to("b", List.of("a", "c"))).isEqualTo("a");
        assertThat(NearestName.to("b", List.of("c", "a"))).isEqualTo("c");
    }

    @ParameterizedTest
    @CsvSource({
        "q_prj, q_proj",
        "mlp.down_prj, mlp.down_proj",
        "lmhead, lm_head",
        "model.layers.0.self_attn.q_prj, model.layers.0.self_attn.q_proj"
    })
    void anEndIsComparedWithEndsOfAsManyParts(String written, String nearest) {
        assertThat(NearestName.amongEnds(written, MODULES)).isEqualTo(nearest);
    }
}
