/** Tests of how messages become bytes. */
@NullMarked
package org.chorale.proto.kryo;

import org.jspecify.annotations.NullMarked;
