/** Before the first batch: data that a recipe makes by itself, where the user gives none. */
@NullMarked
package org.chorale.data.generate;

import org.jspecify.annotations.NullMarked;
