// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

import java.util.Arrays;
import java.util.Collections;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** A type of element as a contract writes it; {@link #F} and {@link #I} stand for every type of their kind. */
public enum ElementType {
    F("Half", "Float", "Double", "BFloat16"),
    F16("Half"),
    F32("Float"),
    F64("Double"),
    BF16("BFloat16"),
    I("Char", "Short", "Int", "Long"),
    I8("Char"),
    I16("Short"),
    I32("Int"),
    I64("Long"),
    B("Bool"),
    U8("Byte");

    @SuppressWarnings("ImmutableEnumChecker") // Set.of cannot be changed
    private final Set<String> scalarTypes;

    ElementType(String... scalarTypes) {
        this.scalarTypes = Set.of(scalarTypes);
    }

    /** The type that a contract writes so; empty where there is none. */
    static Optional<ElementType> of(String word) {
        return Arrays.stream(values()).filter(type -> type.word().equals(word)).findFirst();
    }

    /** All words, for those who wrote another. */
    static String words() {
        return Arrays.stream(values()).map(ElementType::word).collect(Collectors.joining(", "));
    }

    /** As contracts write it. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether a tensor of this libtorch scalar type, such as {@code Float}, is meant. */
    public boolean includes(String scalarType) {
        return scalarTypes.contains(scalarType);
    }

    /**
     * Whether some tensor is of both types. What is given as {@code f} may turn out to be the {@code f32} that is wanted:
     * only real tensors tell.
     */
    boolean overlaps(ElementType other) {
        return !Collections.disjoint(scalarTypes, other.scalarTypes);
    }

    /** The word for a libtorch scalar type; its own name where contracts have none. */
    public static String word(String scalarType) {
        return Arrays.stream(values())
                .filter(type -> type.scalarTypes.size() == 1 && type.includes(scalarType))
                .map(ElementType::word)
                .findFirst()
                .orElse(scalarType);
    }
}
