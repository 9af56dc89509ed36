/** Tests of Chorale inside other applications. */
@NullMarked
package org.chorale.embed;

import org.jspecify.annotations.NullMarked;
