/** From RUN.conf and the command line to the one resolved configuration that a run begins with and travels with. */
@NullMarked
package org.chorale.node.config;

import org.jspecify.annotations.NullMarked;
