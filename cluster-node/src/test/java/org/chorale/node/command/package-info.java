/** Tests of the command line. */
@NullMarked
package org.chorale.node.command;

import org.jspecify.annotations.NullMarked;
