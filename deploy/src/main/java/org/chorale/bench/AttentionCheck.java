// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.bench.AttentionCase.Inputs;
import org.chorale.bench.AttentionCase.Sight;
import org.chorale.model.layer.AttentionWay;
import org.chorale.model.layer.FlashAttention;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.model.layer.Scores;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceMemory;

/**
 * Compares every way to compute attention with the plain one in fp64, forward and gradients, a line each, and then says
 * how fast flash and cuDNN are. Goes on after a failure, and exits with 1 if there was one.
 *
 * <p>An error is the largest difference over the largest exact number, or over 1 where that is smaller. Without an
 * argument it runs on the first GPU, with {@code cpu} on the CPU.
 */
public final class AttentionCheck {
    private static final long[][] HEADS = {{4, 2}, {32, 4}, {32, 8}}; // N, K
    private static final long[] WIDTHS = {16, 64, 128};
    private static final long[] LENGTHS = {1, 7, 64, 2048};
    private static final long[] CAPPED_LENGTHS = {1, 7, 64, 1001, 2048};
    private static final String[] RESULTS = {"mixed", "dq", "dk", "dv", "again"};

    private final Device device;
    private int failures;

    private AttentionCheck(Device device) {
        this.device = device;
    }

    public static void main(String[] arguments) {
        boolean onCpu = Arrays.asList(arguments).contains("cpu");
        Device device = onCpu ? Device.CPU : Device.cuda(0);
        device.bind();
        AttentionCheck check = new AttentionCheck(device);
        if (onCpu) {
            check.checkAll(AttentionWay.CPU, ScalarType.Float, 64);
            check.checkAll(AttentionWay.CPU, ScalarType.BFloat16, 64);
            check.checkAll(AttentionWay.PLAIN, ScalarType.Float, 64);
        } else {
            check.checkGpu();
            new AttentionSpeed(device).report();
        }
        System.out.printf(Locale.ROOT, "%d failures%n", check.failures);
        System.exit(check.failures == 0 ? 0 : 1);
    }

    private void checkGpu() {
        checkAll(AttentionWay.FLASH, ScalarType.BFloat16, 2048);
        checkAll(AttentionWay.FLASH, ScalarType.Half, 64);
        checkAll(AttentionWay.CUDNN, ScalarType.BFloat16, 2048);
        checkAll(AttentionWay.EFFICIENT, ScalarType.Float, 2048);
        checkAll(AttentionWay.PLAIN, ScalarType.Float, 64);
        checkAll(AttentionWay.PLAIN, ScalarType.BFloat16, 64);
        checkCapped();
        checkCappedBytes();
        checkChoice();
        checkDeterminism();
        checkCache();
    }

    private void checkAll(AttentionWay way, ScalarType type, long longest) {
        for (long tokens : LENGTHS) {
            for (long[] heads : HEADS) {
                for (long width : WIDTHS) {
                    for (Sight sight : tokens <= longest ? sights(way, tokens) : List.<Sight>of()) {
                        long sequences = tokens == 2048 ? 1 : tokens == 64 ? 2 : 4;
                        check(way, new AttentionCase(sequences, tokens, heads[0], heads[1], width, type, sight));
                    }
                }
            }
        }
    }

    private static List<Sight> sights(AttentionWay way, long tokens) {
        return switch (way) {
            case FLASH -> List.of(Sight.CAUSAL, Sight.PACKED, Sight.WINDOW);
            case CUDNN -> tokens == 1 ? List.of() : List.of(Sight.CAUSAL);
            case EFFICIENT -> List.of(Sight.CAUSAL, Sight.PACKED);
            case CPU, PLAIN -> List.of(Sight.values());
        };
    }

    /** Compares one way with the exact result. */
    private void check(AttentionWay way, AttentionCase what) {
        line(way + " " + what, tolerance(what.type()), () -> {
            Inputs inputs = what.inputs(device);
            Tensor[] exact = run(attention(what).by(AttentionWay.PLAIN), inputs.exact());
            return errors(run(attention(what).by(way), inputs), exact, inputs.read());
        });
    }

    /** Capped scores, block by block: they are so large here that the cap bends most of them. */
    private void checkCapped() {
        for (ScalarType type : List.of(ScalarType.BFloat16, ScalarType.Half, ScalarType.Float)) {
            for (long tokens : CAPPED_LENGTHS) {
                for (Sight sight : Sight.values()) {
                    AttentionCase what = new AttentionCase(2, tokens, 8, 4, 256, type, sight);
                    FlashAttention attention = attention(what).with(new Scores(0.25, 3));
                    line("capped " + what, tolerance(type), () -> {
                        Inputs inputs = what.inputs(device);
                        Tensor[] exact = run(attention, inputs.exact());
                        Tensor[] first = run(attention, inputs);
                        double[] errors = errors(first, exact, inputs.read());
                        double[] again = errors(run(attention, inputs), first, inputs.read());
                        return DoubleStream.concat(Arrays.stream(errors), DoubleStream.of(largest(again) == 0 ? 0 : 1))
                                .toArray();
                    });
                }
            }
        }
    }

    /**
     * That it takes no more than the formula says: the error is the share of bytes beyond it, of which there are a few because
     * libtorch rounds each allocation up.
     */
    private void checkCappedBytes() {
        AttentionCase what = new AttentionCase(1, 8192, 16, 8, 256, ScalarType.BFloat16, Sight.CAUSAL);
        FlashAttention attention = new FlashAttention().with(new Scores(null, 50));
        line("capped bytes " + what, 1e-3, () -> {
            Inputs inputs = what.inputs(device);
            long before = DeviceMemory.of(device).allocatedBytes();
            DeviceMemory.resetPeaks(device);
            run(attention, inputs);
            long taken = DeviceMemory.of(device).peakAllocatedBytes() - before;
            long rowBytes = 2 * (5 * 16 + 4 * 8) * 256 + 8 * 8 * 256;
            long allowed = attention.scoreBytes(what.type(), 16, 256, 8192) + 8192 * rowBytes;
            System.out.printf(Locale.ROOT, "capped: %d MiB taken, %d MiB by formula%n", taken >> 20, allowed >> 20);
            return new double[] {Math.max(0, (double) (taken - allowed) / allowed)};
        });
    }

    private static double largest(double[] errors) {
        return Arrays.stream(errors).max().orElse(0);
    }

    /** What a model gets: the way is chosen, which is logged. */
    private void checkChoice() {
        for (ScalarType type : List.of(ScalarType.BFloat16, ScalarType.Float, ScalarType.Double)) {
            for (Sight sight : Sight.values()) {
                AttentionCase what = new AttentionCase(2, 512, 32, 8, 64, type, sight);
                line("chosen " + what, tolerance(type), () -> {
                    Inputs inputs = what.inputs(device);
                    Tensor[] exact = run(attention(what).by(AttentionWay.PLAIN), inputs.exact());
                    return errors(run(attention(what), inputs), exact, inputs.read());
                });
            }
        }
    }

    /** With the property the backward gives the same bits each time. */
    private void checkDeterminism() {
        for (AttentionWay way : List.of(AttentionWay.FLASH, AttentionWay.EFFICIENT)) {
            ScalarType type = way == AttentionWay.FLASH ? ScalarType.BFloat16 : ScalarType.Float;
            AttentionCase what = new AttentionCase(2, 2048, 32, 8, 128, type, Sight.CAUSAL);
            line("same bits " + way + " " + what, 0, () -> {
                FlashAttention attention = AttentionSpeed.deterministic().by(way);
                Inputs inputs = what.inputs(device);
                Tensor[] first = run(attention, inputs);
                double[] errors = new double[first.length];
                for (int i = 0; i < 10; i++) {
                    double[] again = errors(run(attention, inputs), first, inputs.read());
                    Arrays.setAll(errors, j -> Math.max(errors[j], again[j]));
                }
                return errors;
            });
        }
    }

    /** A token more, behind keys that were cached. */
    private void checkCache() {
        for (ScalarType type : List.of(ScalarType.BFloat16, ScalarType.Float)) {
            AttentionCase what = new AttentionCase(1, 300, 32, 8, 64, type, Sight.CAUSAL);
            line("cache " + what, tolerance(type), () -> {
                Inputs inputs = what.inputs(device);
                Tensor[] whole = run(attention(what).by(AttentionWay.PLAIN), inputs.exact());
                Tensor last = inputs.q().narrow(1, 299, 1);
                Attended next = attention(what).forward(last, inputs.k(), inputs.v(), false, null);
                return new double[] {error(next.mixed(), whole[0].narrow(1, 299, 1))};
            });
        }
    }

    private static FlashAttention attention(AttentionCase what) {
        return what.sight() == Sight.WINDOW
                ? FlashAttention.sliding(AttentionCase.WINDOW_TOKENS)
                : new FlashAttention();
    }

    private static Tensor[] run(FlashAttention attention, Inputs inputs) {
        Attended attended = attention.forward(inputs.q(), inputs.k(), inputs.v(), inputs.context());
        Tensor[] gradients =
                attention.backward(inputs.dMixed(), inputs.q(), inputs.k(), inputs.v(), attended, inputs.context());
        return new Tensor[] {attended.mixed(), gradients[0], gradients[1], gradients[2]};
    }

    /** What padding has seen means nothing; its gradients are nought. */
    private static double[] errors(Tensor[] results, Tensor[] exact, Tensor read) {
        double[] errors = new double[results.length];
        for (int i = 0; i < results.length; i++) {
            errors[i] = i == 0 ? error(shown(results[i], read), shown(exact[i], read)) : error(results[i], exact[i]);
        }
        return errors;
    }

    private static Tensor shown(Tensor mixed, Tensor read) {
        return torch.where(read, mixed, torch.zeros_like(mixed));
    }

    private static double error(Tensor result, Tensor exact) {
        Tensor wide = exact.to(ScalarType.Double);
        double largest = wide.abs().max().item_double();
        return result.to(ScalarType.Double).sub(wide).abs().max().item_double() / Math.max(1, largest);
    }

    /** Of the results in a dtype, whose sums are fp32's. */
    private static double tolerance(ScalarType type) {
        return switch (type) {
            case BFloat16 -> 2e-2;
            case Half -> 3e-3;
            case Float -> 3e-5;
            default -> 1e-12;
        };
    }

    private interface Check {
        double[] errors();
    }

    /** Runs a check and prints what came of it. */
    @SuppressWarnings("CatchingUnchecked") // a check program goes on
    private void line(String name, double tolerance, Check check) {
        try (TensorScope scope = new TensorScope()) {
            double[] errors = check.errors();
            boolean fine = Arrays.stream(errors).allMatch(error -> error <= tolerance); // not a number is not
            failures += fine ? 0 : 1;
            System.out.printf(
                    Locale.ROOT,
                    "%-62s %s tolerance %.0e %s%n",
                    name,
                    described(errors),
                    tolerance,
                    fine ? "ok" : "FAIL");
        } catch (RuntimeException e) {
            failures++;
            System.out.printf(Locale.ROOT, "%-62s FAIL %s%n", name, firstLine(e));
        }
    }

    private static String described(double[] errors) {
        return IntStream.range(0, errors.length)
                .mapToObj(i -> "%s %.1e".formatted(RESULTS[i], errors[i]))
                .collect(Collectors.joining(" "));
    }

    private static String firstLine(RuntimeException e) {
        return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    }
}
