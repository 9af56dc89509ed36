/** run.conf: how it is read into the records of those who use its keys, with every problem reported at once. */
@NullMarked
package org.chorale.proto.config;

import org.jspecify.annotations.NullMarked;
