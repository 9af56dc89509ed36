/** The program: from a command line to a run, an inspection or an export. Everything else stands upstream of it. */
@NullMarked
package org.chorale.node;

import org.jspecify.annotations.NullMarked;
