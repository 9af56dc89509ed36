/**
 * A parsed template: a tree whose nodes carry themselves out. The tree never changes, so that any number of threads can
 * render it; what a rendering changes is in its {@link org.chorale.data.template.node.Rendering} and its frames.
 */
@NullMarked
package org.chorale.data.template.node;

import org.jspecify.annotations.NullMarked;
