/** The command line: what the user asks for, and the exit code that says how it went. */
@NullMarked
package org.chorale.node.command;

import org.jspecify.annotations.NullMarked;
