// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.chorale.data.template.RenderedChat;
import org.chorale.data.template.Span;
import org.chorale.data.tokenizer.TokenSpans;
import org.junit.jupiter.api.Test;

class TrainedTokensTest {
    @Test
    void aTokenIsTrainedWhereAnyOfItsCharactersIs() {
        // "abcdefgh" as ab cd ef gh; trained is d to e, which straddles both tokens
        assertThat(mask("abcdefgh", List.of(new Span(3, 5)), 0, 2, 2, 4, 4, 6, 6, 8))
                .containsExactly(false, true, true, false);
        assertThat(mask("abcdefgh", List.of(new Span(2, 4)), 0, 2, 2, 4, 4, 6, 6, 8))
                .containsExactly(false, true, false, false);
    }

    @Test
    void severalSpansAreToldApartAndMayMeetInOneToken() {
        assertThat(mask("abcdefgh", List.of(new Span(0, 1), new Span(1, 2), new Span(7, 8)), 0, 2, 2, 4, 4, 6, 6, 8))
                .containsExactly(true, false, false, true);
    }

    @Test
    void tokensOfNoCharacterAreNotTrained() {
        assertThat(mask("ab", List.of(new Span(0, 2)), 0, 0, 0, 1, 1, 1, 1, 2))
                .containsExactly(false, true, false, true);
    }

    @Test
    void spansCountCharsAndTokensCodePoints() {
        // two surrogate pairs before the span: chars 5 to 6 are code point 3
        assertThat(mask("🙂🙂ab", List.of(new Span(5, 6)), 0, 1, 1, 2, 2, 3, 3, 4))
                .containsExactly(false, false, false, true);
        // several tokens of one character are all trained
        assertThat(mask("a🙂", List.of(new Span(1, 3)), 0, 1, 1, 2, 1, 2, 1, 2))
                .containsExactly(false, true, true, true);
    }

    @Test
    void whereNothingIsTrainedNothingIs() {
        assertThat(mask("ab", List.of(), 0, 1, 1, 2)).containsExactly(false, false);
        assertThat(mask("ab", List.of(new Span(1, 1)), 0, 1, 1, 2)).containsExactly(false, false);
    }

    private static boolean[] mask(String text, List<Span> trained, int... edges) {
        int count = edges.length / 2;
        int[] starts = new int[count];
        int[] ends = new int[count];
        for (int i = 0; i < count; i++) {
            starts[i] = edges[2 * i];
            ends[i] = edges[2 * i + 1];
        }
        return TrainedTokens.mask(new RenderedChat(text, trained), new TokenSpans(new long[count], starts, ends));
    }
}
