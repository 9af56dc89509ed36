/**
 * After the rows of a conversation are read, before their text is tokenized: renders messages by the chat template of a
 * model, as Transformers does, and says which part of the text the loss counts. Templates come from anyone; the interpreter
 * below knows nothing of Java and stops at its limits.
 */
@NullMarked
package org.chorale.data.template;

import org.jspecify.annotations.NullMarked;
