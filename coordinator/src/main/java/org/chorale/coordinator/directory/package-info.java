/** Where a run ends up: its directory with configuration, metrics, committed checkpoints and export. */
@NullMarked
package org.chorale.coordinator.directory;

import org.jspecify.annotations.NullMarked;
