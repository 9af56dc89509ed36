// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.util.Arrays;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What kernels have elements of. */
public enum ElementType {
    FP32(ScalarType.Float, "float", 4),
    BF16(ScalarType.BFloat16, "bf16", 2),
    FP16(ScalarType.Half, "fp16", 2);

    private final ScalarType type;
    private final String word;
    private final int bytes;

    ElementType(ScalarType type, String word, int bytes) {
        this.type = type;
        this.word = word;
        this.bytes = bytes;
    }

    /** That of a tensor; empty where no kernel takes it. */
    public static Optional<ElementType> of(Tensor tensor) {
        ScalarType type = tensor.scalar_type().intern();
        return Arrays.stream(values()).filter(known -> known.type == type).findFirst();
    }

    /** As sources name it. */
    public String word() {
        return word;
    }

    /** Of one element. */
    public int bytes() {
        return bytes;
    }

    /** Elements that an access of 16 bytes has. */
    public int lanes() {
        return 16 / bytes;
    }
}
