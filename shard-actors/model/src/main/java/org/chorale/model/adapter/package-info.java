/** Adapters on a model's linears: which ones, with which parameters, and PEFT's files that hold them. */
@NullMarked
package org.chorale.model.adapter;

import org.jspecify.annotations.NullMarked;
