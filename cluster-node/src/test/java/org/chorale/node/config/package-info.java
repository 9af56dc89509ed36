/** Tests of how run.conf is made. */
@NullMarked
package org.chorale.node.config;

import org.jspecify.annotations.NullMarked;
