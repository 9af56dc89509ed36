// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;

/**
 * A trainable tensor and its gradient: views into the flat buffers of a sharding unit, which owns them.
 *
 * @param name as in the published safetensors files
 * @param value read by forward and backward
 * @param gradient of the same shape; a backward adds to it
 */
public record Parameter(String name, Tensor value, Tensor gradient) {}
