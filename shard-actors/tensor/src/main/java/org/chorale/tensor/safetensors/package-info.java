/**
 * Stands at both ends of a run: model folders come in through it, and checkpoints and exports leave through it, as
 * files of the safetensors format.
 *
 * <p>Files are untrusted. {@link org.chorale.tensor.safetensors.SafetensorsHeader} checks every rule of the format
 * before anyone sees a tensor, {@link org.chorale.tensor.safetensors.ModelFiles} lets no index lead out of its folder,
 * and pickle files are refused by name. Reading headers needs no native code; handing out tensors does.
 */
@NullMarked
package org.chorale.tensor.safetensors;

import org.jspecify.annotations.NullMarked;
