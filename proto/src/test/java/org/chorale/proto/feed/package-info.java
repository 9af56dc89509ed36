/** A feeder's end of a stream and a rank's, in one process and in two. */
@NullMarked
package org.chorale.proto.feed;

import org.jspecify.annotations.NullMarked;
