/** What the files of a model or a run are, in words and in JSON, without loading a tensor. */
@NullMarked
package org.chorale.node.inspect;

import org.jspecify.annotations.NullMarked;
