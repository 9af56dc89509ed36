/** The actors' protocols: what coordinator, feeder and workers say to each other, in records. */
@NullMarked
package org.chorale.proto.message;

import org.jspecify.annotations.NullMarked;
