/** What every template can call: the filters, tests, functions and methods of Jinja2 and Python, on values only. */
@NullMarked
package org.chorale.data.template.builtin;

import org.jspecify.annotations.NullMarked;
