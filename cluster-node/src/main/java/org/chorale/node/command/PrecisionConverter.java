// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.chorale.training.shard.Precision;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a format in which goldens can be recomputed: all but the one that trains with a loss scale. */
final class PrecisionConverter implements ITypeConverter<Precision> {
    @Override
    public Precision convert(String text) {
        List<Precision> formats = Arrays.stream(Precision.values())
                .filter(format -> format != Precision.FP16)
                .toList();
        return formats.stream()
                .filter(format -> format.word().equals(text))
                .findFirst()
                .orElseThrow(() -> new TypeConversionException("must be one of %s, not %s"
                        .formatted(formats.stream().map(Precision::word).collect(Collectors.joining(", ")), text)));
    }
}
