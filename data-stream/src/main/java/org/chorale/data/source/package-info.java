/** The second step of a batch: the bytes of an example, found through an index on disk, and what they say. */
@NullMarked
package org.chorale.data.source;

import org.jspecify.annotations.NullMarked;
