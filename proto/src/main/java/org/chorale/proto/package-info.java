/** What two processes, or two releases, must agree on; everything else stands downstream of it. */
@NullMarked
package org.chorale.proto;

import org.jspecify.annotations.NullMarked;
