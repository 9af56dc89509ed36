// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** The element types of the safetensors format, under the names that stand in files. */
public enum StoredType {
    BOOL(8, ScalarType.Bool),
    /** Two elements to a byte. libtorch only has pairs of them, so such a tensor can be listed but not handed out. */
    F4(4, null),
    F6_E2M3(6, null),
    F6_E3M2(6, null),
    U8(8, ScalarType.Byte),
    I8(8, ScalarType.Char),
    F8_E5M2(8, ScalarType.Float8_e5m2),
    F8_E4M3(8, ScalarType.Float8_e4m3fn),
    F8_E8M0(8, ScalarType.Float8_e8m0fnu),
    F8_E4M3FNUZ(8, ScalarType.Float8_e4m3fnuz),
    F8_E5M2FNUZ(8, ScalarType.Float8_e5m2fnuz),
    I16(16, ScalarType.Short),
    U16(16, ScalarType.UInt16),
    F16(16, ScalarType.Half),
    BF16(16, ScalarType.BFloat16),
    I32(32, ScalarType.Int),
    U32(32, ScalarType.UInt32),
    F32(32, ScalarType.Float),
    C64(64, ScalarType.ComplexFloat),
    F64(64, ScalarType.Double),
    I64(64, ScalarType.Long),
    U64(64, ScalarType.UInt64);

    private static final Map<String, StoredType> BY_NAME =
            Arrays.stream(values()).collect(Collectors.toUnmodifiableMap(StoredType::name, Function.identity()));

    private final int bits;
    private final @Nullable ScalarType scalarType;

    StoredType(int bits, @Nullable ScalarType scalarType) {
        this.bits = bits;
        this.scalarType = scalarType;
    }

    /** Bits of one element. */
    public int bits() {
        return bits;
    }

    /** The type that libtorch has for it, if any. */
    public Optional<ScalarType> scalarType() {
        return Optional.ofNullable(scalarType);
    }

    /** The type of this name in a file, if the format has it. */
    public static Optional<StoredType> named(String name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }

    /** How a libtorch type is stored, if the format has it. */
    public static Optional<StoredType> of(ScalarType scalarType) {
        ScalarType interned = scalarType.intern(); // enums that come from native code are not the constants themselves
        return Arrays.stream(values())
                .filter(type -> type.scalarType == interned)
                .findFirst();
    }
}
