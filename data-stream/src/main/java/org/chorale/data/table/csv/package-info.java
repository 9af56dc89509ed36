/** Before the first step of a batch: the rows of CSV and TSV files. */
@NullMarked
package org.chorale.data.table.csv;

import org.jspecify.annotations.NullMarked;
