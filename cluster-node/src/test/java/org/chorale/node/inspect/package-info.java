/** What is read of folders and files. */
@NullMarked
package org.chorale.node.inspect;

import org.jspecify.annotations.NullMarked;
