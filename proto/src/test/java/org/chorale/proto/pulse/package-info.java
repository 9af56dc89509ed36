/** Tests of how threads that work are told from threads that hang. */
@NullMarked
package org.chorale.proto.pulse;

import org.jspecify.annotations.NullMarked;
