// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;

/**
 * A decoder-only language model: what it computes, and the published names of what it has. A family makes it of a
 * config.json.
 *
 * @param family Hugging Face's model_type
 * @param vocabulary V, rows of the embedding
 * @param width D, of the model
 * @param contextTokens longest sequence that the model was made for
 * @param embedding the published module, such as {@code model.embed_tokens}
 * @param embeddingScale what embeddings are multiplied by
 * @param blocks from the bottom
 * @param norm behind the last block
 * @param head the published module; where it is tied, nothing is published by this name
 * @param tied whether the head is the embedding
 * @param logitCap logits are cap · tanh(logits / cap); 0 for none
 * @param initialDeviation of the normal distribution that first weights are drawn from
 */
public record DecoderConfig(
        String family,
        long vocabulary,
        long width,
        long contextTokens,
        String embedding,
        double embeddingScale,
        List<BlockConfig> blocks,
        NormConfig norm,
        String head,
        boolean tied,
        double logitCap,
        double initialDeviation) {
    /** The unit of what stands before the blocks; where the head is tied, of what stands behind them too. */
    public static final String ROOT_UNIT = "root";

    /** The unit of last norm and head, where these are not the root's. */
    public static final String HEAD_UNIT = "head";

    public DecoderConfig {
        blocks = List.copyOf(blocks);
    }

    /** How many blocks there are. */
    public int layers() {
        return blocks.size();
    }

    /** The same model with a head of its own. */
    public DecoderConfig untied() {
        return with(vocabulary, false);
    }

    /** The same model with another number of rows in embedding and head. */
    public DecoderConfig resized(long rows) {
        return with(rows, tied);
    }

    private DecoderConfig with(long rows, boolean tiedHead) {
        return new DecoderConfig(
                family,
                rows,
                width,
                contextTokens,
                embedding,
                embeddingScale,
                blocks,
                norm,
                head,
                tiedHead,
                logitCap,
                initialDeviation);
    }

    /** The parameter [V, D]. */
    public String embeddingWeight() {
        return embedding + ".weight";
    }

    /** The parameter [V, D] of a head that is not tied. */
    public String headWeight() {
        return head + ".weight";
    }

    /**
     * The sharding units, in the order of the forward pass. A tied head needs its embedding, so both ends are one unit
     * then.
     */
    public List<UnitOutline> units() {
        List<ParameterOutline> first =
                new ArrayList<>(List.of(ParameterOutline.of(embeddingWeight(), vocabulary, width)));
        List<ParameterOutline> last = new ArrayList<>(norm.parameters());
        if (tied) {
            first.addAll(last);
        } else {
            last.add(ParameterOutline.of(headWeight(), vocabulary, width));
        }
        List<UnitOutline> units = new ArrayList<>();
        units.add(new UnitOutline(ROOT_UNIT, first));
        blocks.forEach(block -> units.add(new UnitOutline(block.name(), block.parameters())));
        if (!tied) {
            units.add(new UnitOutline(HEAD_UNIT, last));
        }
        return units;
    }

    /**
     * Everything that an adapter may be put on, in the order of the forward pass; the head comes last. Routers and the
     * linears of each expert are among it, as all-linear is understood by PEFT 0.21 also where Transformers 5 has them as
     * plain parameters.
     */
    public List<LinearOutline> linears() {
        return Stream.concat(
                        blocks.stream().flatMap(BlockConfig::linears),
                        Stream.of(new LinearOutline(head, width, vocabulary, false, true)))
                .toList();
    }

    /** The linears of its blocks that may multiply FP8 factors: routers choose by what rounding would change. */
    public List<LinearOutline> fp8Linears() {
        Set<LinearOutline> routers =
                mixtures().map(FeedForwardConfig.Mixture::router).collect(Collectors.toSet());
        return linears().stream().filter(linear -> !routers.contains(linear)).toList();
    }

    /** The mixtures of experts among the feed-forward networks of its blocks. */
    public Stream<FeedForwardConfig.Mixture> mixtures() {
        return blocks.stream()
                .map(BlockConfig::inner)
                .filter(FeedForwardConfig.Mixture.class::isInstance)
                .map(FeedForwardConfig.Mixture.class::cast);
    }

    /** The rotary embeddings that its blocks use, each once. */
    List<RopeFrequencies> ropes() {
        return blocks.stream().map(block -> block.attention().rope()).distinct().toList();
    }
}
