/** Below the interpreter of templates: what a template may use up, and the exception that stops it. */
@NullMarked
package org.chorale.data.template.limit;

import org.jspecify.annotations.NullMarked;
