/** How actor messages and batches become bytes inside a cluster of one release: Kryo, with classes and ids fixed by hand. */
@NullMarked
package org.chorale.proto.kryo;

import org.jspecify.annotations.NullMarked;
