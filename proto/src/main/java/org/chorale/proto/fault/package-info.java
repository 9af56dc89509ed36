/** What can go wrong, under stable names, and who must act. */
@NullMarked
package org.chorale.proto.fault;

import org.jspecify.annotations.NullMarked;
