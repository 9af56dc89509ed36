/** Tests of the documents that are made from the program, and the classes that make them. */
@NullMarked
package org.chorale.node.document;

import org.jspecify.annotations.NullMarked;
