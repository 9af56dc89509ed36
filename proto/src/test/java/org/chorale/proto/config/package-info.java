/** Tests of how run.conf is read. */
@NullMarked
package org.chorale.proto.config;

import org.jspecify.annotations.NullMarked;
