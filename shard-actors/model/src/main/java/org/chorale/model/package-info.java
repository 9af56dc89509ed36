/** A Hugging Face model folder: which family it is, and what it is made of. */
@NullMarked
package org.chorale.model;

import org.jspecify.annotations.NullMarked;
