// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.chorale.model.fp8.Fp8Rule;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.tensor.device.Device;
import org.chorale.training.RecomputePolicy;
import org.chorale.training.shard.Precision;

/**
 * A row as it is measured: its own settings, or those that stand behind it on the command line as {@code key=value}.
 *
 * @param fp8 of the blocks' linears; empty where there is none
 * @param sequences B, in one forward pass
 * @param tokens T, in a sequence
 * @param steps that are timed, each by itself and then all in one go
 * @param expertsApart whether a mixture's experts lie in memory so that they are computed one by one, not all at once
 * @param tf32 whether products of fp32 values may round their factors to tf32
 * @param ranks GPUs, the device being the first one's; sequences are those of each
 * @param copies of the model that all ranks hold together, each cut over as many of them
 * @param memoryGib of the GPU that may be used; 0 for all
 * @param profile where the timeline of some steps goes after the measurement; empty where none is wanted
 */
record BenchSetup(
        BenchRow row,
        Device device,
        Precision precision,
        RecomputePolicy recompute,
        Optional<Fp8Rule> fp8,
        int sequences,
        int tokens,
        int steps,
        boolean expertsApart,
        boolean tf32,
        int ranks,
        int copies,
        double memoryGib,
        Optional<Path> profile) {
    static final int WARM_UP_STEPS = 3;

    private static final int FEWEST_STEPS = 5;
    private static final int MOST = 1 << 20;
    private static final Set<String> KEYS = Set.of(
            "device",
            "precision",
            "recompute",
            "fp8",
            "gather",
            "sequences",
            "tokens",
            "steps",
            "experts",
            "tf32",
            "ranks",
            "copies",
            "memory-gib",
            "profile");

    static String usage() {
        return "usage: gpu ROW [key=value ...]; rows: " + BenchRow.words() + "; keys: "
                + String.join(", ", new TreeSet<>(KEYS));
    }

    /** @throws IllegalArgumentException a line per problem */
    static BenchSetup parse(String... arguments) {
        if (arguments.length == 0) {
            throw new IllegalArgumentException(usage());
        }
        BenchRow row = BenchRow.of(arguments[0]);
        Map<String, String> values = new LinkedHashMap<>();
        List<String> problems = new ArrayList<>();
        for (String argument : Arrays.copyOfRange(arguments, 1, arguments.length)) {
            String[] pair = argument.split("=", 2);
            if (pair.length < 2 || !KEYS.contains(pair[0])) {
                problems.add(argument + ": " + usage());
            } else {
                values.put(pair[0], pair[1]);
            }
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
        Device device = device(values.getOrDefault("device", "cuda:0"));
        Precision precision = precision(values.getOrDefault("precision", row.precision()));
        int ranks = count(values, "ranks", row.ranks(), 1);
        return new BenchSetup(
                row,
                device,
                precision,
                recompute(values.getOrDefault("recompute", row.recompute().word())),
                fp8(values.getOrDefault("fp8", "none"), gathersInFp8(values.getOrDefault("gather", "bf16"))),
                count(values, "sequences", row.sequences(), 1),
                count(values, "tokens", row.tokens(), 2),
                count(values, "steps", 10, FEWEST_STEPS),
                expertsApart(values.getOrDefault("experts", "grouped"), row),
                tf32(values.getOrDefault("tf32", "false"), device, precision),
                ranks,
                copies(values, ranks),
                gibibytes(values.getOrDefault("memory-gib", "0")),
                Optional.ofNullable(values.get("profile")).map(Path::of));
    }

    private static Device device(String word) {
        try {
            return word.equals(RankDevices.CUDA_SHARED.word()) ? RankDevices.CUDA_SHARED.of(0) : Device.parse(word);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("device=" + e.getMessage(), e);
        }
    }

    private static Precision precision(String word) {
        return Arrays.stream(Precision.values())
                .filter(precision -> precision.word().equals(word))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("precision=" + word + ": must be one of "
                        + Arrays.stream(Precision.values()).map(Precision::word).collect(Collectors.joining(", "))));
    }

    private static RecomputePolicy recompute(String word) {
        return Arrays.stream(RecomputePolicy.values())
                .filter(policy -> policy.word().equals(word))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("recompute=" + word + ": must be one of "
                        + Arrays.stream(RecomputePolicy.values())
                                .map(RecomputePolicy::word)
                                .collect(Collectors.joining(", "))));
    }

    private static boolean expertsApart(String word, BenchRow row) {
        if (!Set.of("grouped", "each").contains(word)) {
            throw new IllegalArgumentException("experts=" + word + ": must be grouped or each");
        }
        if (word.equals("each") && !row.shape().hasExperts()) {
            throw new IllegalArgumentException("experts=each: the row " + row.word() + " has no experts");
        }
        return word.equals("each");
    }

    /** What the row is called in a result. */
    String rowWord() {
        return row.word() + (expertsApart ? ", experts one by one" : "");
    }

    private static boolean tf32(String word, Device device, Precision precision) {
        if (!Set.of("true", "false").contains(word)) {
            throw new IllegalArgumentException("tf32=" + word + ": must be true or false");
        }
        if (word.equals("true") && !(device.isCuda() && precision == Precision.FP32)) {
            throw new IllegalArgumentException(
                    "tf32=true: only a GPU with precision=fp32 heeds it, and this is %s with %s"
                            .formatted(device, precision.word()));
        }
        return word.equals("true");
    }

    private static Optional<Fp8Rule> fp8(String word, boolean gather) {
        Optional<Fp8Scaling> scaling = switch (word) {
            case "none" -> Optional.empty();
            case "tensor" -> Optional.of(Fp8Scaling.TENSOR);
            case "row" -> Optional.of(Fp8Scaling.ROW);
            default -> throw new IllegalArgumentException("fp8=" + word + ": must be none, tensor or row");
        };
        if (gather && !word.equals("tensor")) {
            throw new IllegalArgumentException("gather=fp8: needs fp8=tensor, not " + word);
        }
        return scaling.map(given -> new Fp8Rule(given, List.of(), List.of(), gather));
    }

    private static boolean gathersInFp8(String word) {
        if (!Set.of("bf16", "fp8").contains(word)) {
            throw new IllegalArgumentException("gather=" + word + ": must be bf16 or fp8");
        }
        return word.equals("fp8");
    }

    /** As it stands on the command line. */
    String fp8Word() {
        return fp8.map(rule -> rule.scaling().name().toLowerCase(Locale.ROOT)).orElse("none");
    }

    /** Whether weights of linears are gathered in FP8, from ranks that hold parts of them. */
    boolean gathersInFp8() {
        return fp8.filter(Fp8Rule::gather).isPresent();
    }

    private static int count(Map<String, String> values, String key, int own, int fewest) {
        String word = values.getOrDefault(key, Integer.toString(own));
        if (!word.matches("\\d{1,7}") || Integer.parseInt(word) < fewest || Integer.parseInt(word) > MOST) {
            throw new IllegalArgumentException(
                    "%s=%s: must be a whole number from %d to %d".formatted(key, word, fewest, MOST));
        }
        return Integer.parseInt(word);
    }

    private static int copies(Map<String, String> values, int ranks) {
        int copies = count(values, "copies", 1, 1);
        if (ranks % copies != 0) {
            throw new IllegalArgumentException(
                    "copies=%d: must be a divisor of ranks, which is %d".formatted(copies, ranks));
        }
        return copies;
    }

    private static double gibibytes(String word) {
        if (!word.matches("\\d{1,4}(\\.\\d{1,3})?")) {
            throw new IllegalArgumentException("memory-gib=" + word + ": must be a number from 0");
        }
        return Double.parseDouble(word);
    }
}
