/** Figures over examples that are counted once, for people: how long they are, and which are the same. */
@NullMarked
package org.chorale.data.stats;

import org.jspecify.annotations.NullMarked;
