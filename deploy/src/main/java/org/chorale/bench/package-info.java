/** Measurements against what a user would write or run instead; results stand in deploy/bench. */
@NullMarked
package org.chorale.bench;

import org.jspecify.annotations.NullMarked;
