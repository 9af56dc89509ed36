/** Beside a run's steps: a record of when host and GPU did what, as a trace that Perfetto and chrome://tracing show. */
@NullMarked
package org.chorale.tensor.profile;

import org.jspecify.annotations.NullMarked;
