/** Tests of who may speak to a node. */
@NullMarked
package org.chorale.node.security;

import org.jspecify.annotations.NullMarked;
