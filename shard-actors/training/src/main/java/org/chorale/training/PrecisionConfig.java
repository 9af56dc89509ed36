// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.training.shard.Precision;

/**
 * The keys {@code precision}, {@code tf32} and {@code fp8}: the format of a run's arithmetic.
 *
 * @param tf32 whether GPUs may multiply fp32 values in tf32
 * @param fp8 which products have factors of eight bits
 */
public record PrecisionConfig(Precision precision, boolean tf32, Fp8Config fp8) {
    /** @throws IllegalArgumentException where they do not go together: a line per problem */
    public PrecisionConfig {
        List<String> problems = new ArrayList<>();
        if (tf32 && precision != Precision.FP32) {
            problems.add("tf32 = true: only precision = fp32 has products that it makes faster, and"
                    + " precision is %s; must be false".formatted(precision.word()));
        }
        if (fp8.rule().isPresent() && precision.type() != ScalarType.BFloat16) {
            problems.add("fp8.scaling = %s: needs precision = bf16 or bf16-true, of which FP8 is made, not %s"
                    .formatted(fp8.word(), precision.word()));
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }
}
