/** Before a run has its coordinator: the nodes of a cluster, the line in which runs wait for them, and their clients. */
@NullMarked
package org.chorale.coordinator.queue;

import org.jspecify.annotations.NullMarked;
