/** Stand-in. */
@NullMarked
package org.chorale.data.template.limit;

import org.jspecify.annotations.NullMarked;
