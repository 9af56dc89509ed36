/** What a config.json says and what a model is made of, before anything is loaded. */
@NullMarked
package org.chorale.model.outline;

import org.jspecify.annotations.NullMarked;
