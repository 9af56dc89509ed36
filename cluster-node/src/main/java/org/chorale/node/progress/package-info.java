/** What a run's events look like to whoever watches: a progress bar, plain lines, or JSON, and a summary at the end. */
@NullMarked
package org.chorale.node.progress;

import org.jspecify.annotations.NullMarked;
