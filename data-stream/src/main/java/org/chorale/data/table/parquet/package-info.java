/**
 * Before the first step of a batch: the rows of Parquet files. Parquet's own column library decodes values and assembles
 * records; pages are read and expanded here, one of each column at a time, so that a row group of any size takes little
 * memory, and without Hadoop.
 */
@NullMarked
package org.chorale.data.table.parquet;

import org.jspecify.annotations.NullMarked;
