/** Before the first step of a batch: the objects of JSON files, whether in a list or one after the other. */
@NullMarked
package org.chorale.data.table.json;

import org.jspecify.annotations.NullMarked;
