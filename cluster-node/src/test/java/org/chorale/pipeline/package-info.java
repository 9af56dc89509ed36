/** Tests of the user's way in. */
@NullMarked
package org.chorale.pipeline;

import org.jspecify.annotations.NullMarked;
