/** Tests that the measurements measure what they say. */
@NullMarked
package org.chorale.bench;

import org.jspecify.annotations.NullMarked;
