// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.List;
import org.chorale.data.template.RenderedChat;
import org.chorale.data.template.Span;
import org.chorale.data.tokenizer.TokenSpans;

/**
 * Carries the trained characters of a text over to its tokens. A token is trained where any of its characters is, so that
 * one which straddles the edge of a span is: as in Transformers' {@code assistant_masks}.
 */
public final class TrainedTokens {
    private TrainedTokens() {}

    /** Of each token, whether it is trained. */
    public static boolean[] mask(RenderedChat rendered, TokenSpans tokens) {
        int[] edges = codePoints(rendered.text(), rendered.trained());
        boolean[] mask = new boolean[tokens.ids().length];
        int span = 0; // the first that does not end before the token begins; both are in order
        for (int token = 0; token < mask.length; token++) {
            int start = tokens.starts()[token];
            int end = tokens.ends()[token];
            while (span < edges.length && edges[span + 1] <= start) {
                span += 2;
            }
            mask[token] = end > start && span < edges.length && edges[span] < end;
        }
        return mask;
    }

    /** The spans' edges, from and until in turn, counted as the tokenizers library does: in code points. */
    private static int[] codePoints(String text, List<Span> spans) {
        int[] edges = new int[2 * spans.size()];
        int chars = 0;
        int points = 0;
        for (int i = 0; i < edges.length; i++) {
            Span span = spans.get(i / 2);
            int edge = i % 2 == 0 ? span.from() : span.until();
            points += text.codePointCount(chars, edge);
            chars = edge;
            edges[i] = points;
        }
        return edges;
    }
}
