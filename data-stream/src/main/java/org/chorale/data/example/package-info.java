/** The last step of a batch: an example becomes tokens and labels, and a few of them a padded micro-batch. */
@NullMarked
package org.chorale.data.example;

import org.jspecify.annotations.NullMarked;
