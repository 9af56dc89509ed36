// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.List;
import org.chorale.model.layer.Units;

/**
 * The order in which a decoder uses its units.
 *
 * <pre>
 *            forward                              backward
 * untied     root | block 0 | ... | head ...      ... head | ... | block 0 | root
 * tied       root ..............................  ........................... root
 *                 | block 0 | ... |               | ... | block 0 |
 * </pre>
 *
 * The head stays open from the end of a forward to the beginning of its backward, and a tied one, which is the
 * embedding, from one end to the other.
 */
final class DecoderUnits {
    private final Units units;
    private final List<String> blocks;
    private final String head; // the unit that norm and head are in
    private final int firstTrained; // block
    private final boolean embeddingTrained;

    /** @param firstTrained block that the backward ends with */
    DecoderUnits(Units units, DecoderConfig config, int firstTrained, boolean embeddingTrained) {
        this.units = units;
        this.blocks = config.blocks().stream().map(BlockConfig::name).toList();
        this.head = config.tied() ? DecoderConfig.ROOT_UNIT : DecoderConfig.HEAD_UNIT;
        this.firstTrained = firstTrained;
        this.embeddingTrained = embeddingTrained;
    }

    void openEmbedding() {
        units.open(DecoderConfig.ROOT_UNIT);
        announce(0);
    }

    void closeEmbedding() {
        if (!isTied()) {
            units.close(DecoderConfig.ROOT_UNIT);
        }
    }

    void openBlock(int layer) {
        units.open(blocks.get(layer));
        announce(layer + 1);
    }

    void closeBlock(int layer) {
        units.close(blocks.get(layer));
    }

    void openHead() {
        if (!isTied()) {
            units.open(head);
        }
    }

    /** Where no backward follows. */
    void closeHead() {
        units.close(head);
    }

    void openHeadForBackward() {
        units.openForBackward(head);
        announceForBackward(blocks.size() - 1);
    }

    void closeHeadAfterBackward() {
        if (!isTied()) {
            units.closeAfterBackward(head);
        }
    }

    void openBlockForBackward(int layer) {
        units.openForBackward(blocks.get(layer));
        announceForBackward(layer - 1);
    }

    void closeBlockAfterBackward(int layer) {
        units.closeAfterBackward(blocks.get(layer));
    }

    /** The backward of a lookup reads no values. */
    void openEmbeddingForBackward() {
        if (embeddingTrained && !isTied()) {
            units.openForGradients(DecoderConfig.ROOT_UNIT);
        }
    }

    void closeEmbeddingAfterBackward() {
        if (embeddingTrained || isTied()) {
            units.closeAfterBackward(DecoderConfig.ROOT_UNIT);
        }
    }

    /** All of a forward but the computation. */
    void passForward() {
        openEmbedding();
        closeEmbedding();
        for (int layer = 0; layer < blocks.size(); layer++) {
            openBlock(layer);
            closeBlock(layer);
        }
        openHead();
    }

    /** All of a backward but the computation. */
    void passBackward() {
        openHeadForBackward();
        closeHeadAfterBackward();
        for (int layer = blocks.size() - 1; layer >= firstTrained; layer--) {
            openBlockForBackward(layer);
            closeBlockAfterBackward(layer);
        }
        openEmbeddingForBackward();
        closeEmbeddingAfterBackward();
    }

    private boolean isTied() {
        return head.equals(DecoderConfig.ROOT_UNIT);
    }

    private void announce(int layer) {
        if (layer < blocks.size()) {
            units.announce(blocks.get(layer));
        } else if (!isTied()) {
            units.announce(head);
        }
    }

    private void announceForBackward(int layer) {
        if (layer >= firstTrained) {
            units.announce(blocks.get(layer));
        }
    }
}
