/** From the source of a template to its tree: the lexer cuts it into tokens, the parsers make nodes of them. */
@NullMarked
package org.chorale.data.template.syntax;

import org.jspecify.annotations.NullMarked;
