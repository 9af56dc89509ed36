// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import org.chorale.proto.wire.RunEvent;

/** Shows a run's events, in order and one at a time. The last is the run's end; what a view holds it frees then. */
public interface RunView {
    /** Shows one event. */
    void show(RunEvent event);
}
