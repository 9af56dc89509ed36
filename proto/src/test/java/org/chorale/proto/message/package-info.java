/** Reports that are cut, and put together again. */
@NullMarked
package org.chorale.proto.message;

import org.jspecify.annotations.NullMarked;
