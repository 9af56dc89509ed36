/**
 * What a template computes with: Python's values and operators, and nothing of Java. They are immutable, except for the few
 * that the sandbox lets a template change.
 */
@NullMarked
package org.chorale.data.template.value;

import org.jspecify.annotations.NullMarked;
