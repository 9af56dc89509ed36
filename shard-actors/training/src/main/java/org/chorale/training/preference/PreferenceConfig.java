// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.preference;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.DoublePredicate;
import java.util.stream.Collectors;

/**
 * The keys below {@code loss.preference}, which {@code chorale-defaults.conf} explains.
 *
 * @param type empty where a run learns from no preferences; then no other key may be set
 * @param precomputed a file with what the reference makes of every sequence, in its place
 */
public record PreferenceConfig(
        Optional<Type> type,
        Optional<Double> beta,
        Optional<DpoLoss.Variant> variant,
        Optional<Double> labelSmoothing,
        Optional<Reference> reference,
        Optional<Path> precomputed,
        Optional<Double> oddsWeight,
        Optional<Double> desirableWeight,
        Optional<Double> undesirableWeight) {
    /** Where the keys stand. */
    public static final String KEY = "loss.preference";

    private static final double USUAL_BETA = 0.1;

    /** Which loss. */
    public enum Type {
        DPO,
        ORPO,
        KTO;

        private boolean reads(String key) {
            return switch (key) {
                case "beta", "reference", "precomputed" -> this != ORPO;
                case "variant", "label-smoothing" -> this == DPO;
                case "odds-weight" -> this == ORPO;
                case "desirable-weight", "undesirable-weight" -> this == KTO;
                default -> throw new IllegalArgumentException("every type reads " + key);
            };
        }

        /** As it stands in a configuration. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }

        private static String thatRead(String key) {
            return Arrays.stream(values())
                    .filter(type -> type.reads(key))
                    .map(Type::word)
                    .collect(Collectors.joining(" or "));
        }
    }

    /** What a policy is compared with. */
    public enum Reference {
        /** The model as the run began. */
        INITIAL,
        /** The model without its adapter. */
        BASE,
        NONE
    }

    public PreferenceConfig {
        List<String> problems = new ArrayList<>();
        check(problems, type, "beta", beta, value -> value > 0, "above 0");
        check(problems, type, "variant", variant);
        check(
                problems,
                type,
                "label-smoothing",
                labelSmoothing,
                value -> value >= 0 && value < 0.5,
                "from 0 to below 0.5");
        check(problems, type, "reference", reference);
        check(problems, type, "precomputed", precomputed);
        check(problems, type, "odds-weight", oddsWeight, value -> value > 0, "above 0");
        check(problems, type, "desirable-weight", desirableWeight, value -> value > 0, "above 0");
        check(problems, type, "undesirable-weight", undesirableWeight, value -> value > 0, "above 0");
        if (labelSmoothing.isPresent() && variant.orElse(DpoLoss.Variant.SIGMOID) != DpoLoss.Variant.SIGMOID) {
            problems.add(KEY
                    + ".label-smoothing = %s: only variant sigmoid has wrong verdicts to allow for"
                            .formatted(labelSmoothing.get()));
        }
        if (type.filter(Type.KTO::equals).isPresent()
                && reference.filter(Reference.NONE::equals).isPresent()) {
            problems.add(KEY + ".reference = none: kto compares with a reference; must be initial or base");
        }
        if (precomputed.isPresent() && reference.filter(Reference.NONE::equals).isPresent()) {
            problems.add(KEY
                    + ".precomputed = %s: %s.reference = none compares with nothing; leave one of them out"
                            .formatted(precomputed.get(), KEY));
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** Whether the run learns from preferences. */
    public boolean isUsed() {
        return type.isPresent();
    }

    /** What the loss is compared with; none for one that compares with nothing. */
    public Reference comparison() {
        return type.filter(given -> given.reads("reference")).isPresent()
                ? reference.orElse(Reference.INITIAL)
                : Reference.NONE;
    }

    /** Sequences of an example that have a gradient. */
    public int trainedSequences() {
        return type.filter(given -> given != Type.KTO).isPresent() ? 2 : 1;
    }

    /** The loss over pairs; empty where the run learns from ratings, or from no preferences. */
    public Optional<PairLoss> pairLoss() {
        return type.flatMap(given -> switch (given) {
            case DPO ->
                Optional.of(new DpoLoss(
                        variant.orElse(DpoLoss.Variant.SIGMOID),
                        beta.orElse(USUAL_BETA),
                        labelSmoothing.orElse(0.0),
                        comparison() == Reference.NONE));
            case ORPO -> Optional.of(new OrpoLoss(oddsWeight.orElse(USUAL_BETA)));
            case KTO -> Optional.empty();
        });
    }

    /** The loss over ratings. */
    public KtoLoss ratingLoss() {
        return new KtoLoss(beta.orElse(USUAL_BETA), desirableWeight.orElse(1.0), undesirableWeight.orElse(1.0));
    }

    private static void check(
            List<String> problems,
            Optional<Type> type,
            String key,
            Optional<Double> value,
            DoublePredicate holds,
            String range) {
        check(problems, type, key, value);
        value.filter(number -> !holds.test(number))
                .ifPresent(number -> problems.add("%s.%s = %s: must be %s".formatted(KEY, key, number, range)));
    }

    private static void check(List<String> problems, Optional<Type> type, String key, Optional<?> value) {
        if (value.isEmpty() || type.filter(given -> given.reads(key)).isPresent()) {
            return;
        }
        Object shown = value.get() instanceof Enum<?> word ? word.name().toLowerCase(Locale.ROOT) : value.get();
        problems.add("%s.%s = %s: %s.type = %s does not read it, only %s does"
                .formatted(KEY, key, shown, KEY, type.map(Type::word).orElse("null"), Type.thatRead(key)));
    }
}
