/** Layers, each a forward and a backward; what the one saves for the other goes through a tape. */
@NullMarked
package org.chorale.model.layer;

import org.jspecify.annotations.NullMarked;
