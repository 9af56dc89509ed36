/** The third step of a batch: text becomes token ids, by the Hugging Face tokenizers library. */
@NullMarked
package org.chorale.data.tokenizer;

import org.jspecify.annotations.NullMarked;
