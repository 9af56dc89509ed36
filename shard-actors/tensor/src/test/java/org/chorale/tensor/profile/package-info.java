/** What is recorded, and how it stands in the file. */
@NullMarked
package org.chorale.tensor.profile;

import org.jspecify.annotations.NullMarked;
