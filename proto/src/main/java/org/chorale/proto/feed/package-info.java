/** Between a feeder's batches and a rank's: how a stream of them crosses processes. */
@NullMarked
package org.chorale.proto.feed;

import org.jspecify.annotations.NullMarked;
