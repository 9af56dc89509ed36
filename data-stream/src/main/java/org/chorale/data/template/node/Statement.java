// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

/** What is done for its effect, most often to write something. */
public interface Statement {
    /** How a statement ends, as far as the loop around it is concerned. */
    enum Flow {
        NEXT,
        CONTINUE,
        BREAK
    }

    Flow run(Frame frame);
}
