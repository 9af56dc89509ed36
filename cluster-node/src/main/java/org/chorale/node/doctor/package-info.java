/** Before a run: what this machine has for training, and how to get what it lacks. Nothing native is loaded for it. */
@NullMarked
package org.chorale.node.doctor;

import org.jspecify.annotations.NullMarked;
