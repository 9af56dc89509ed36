/**
 * What is done with a row before an example is made of it, as the configuration or a user's class says: kept or left out,
 * and its columns changed. Between the bytes of {@code source} and its examples.
 */
@NullMarked
package org.chorale.data.row;

import org.jspecify.annotations.NullMarked;
