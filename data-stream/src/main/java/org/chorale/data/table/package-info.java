/** Before the first step of a batch: rows of tables, which cannot be read in any order, become lines of JSON on disk. */
@NullMarked
package org.chorale.data.table;

import org.jspecify.annotations.NullMarked;
