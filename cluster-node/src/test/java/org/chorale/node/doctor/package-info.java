/** Tests of what the doctor says, of machines that are played by folders. */
@NullMarked
package org.chorale.node.doctor;

import org.jspecify.annotations.NullMarked;
