// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.chorale.bench.GpuDemand.Finding.told;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.chorale.bench.GpuDemand.Finding;
import org.chorale.bench.GpuDemand.Kind;
import org.chorale.bench.GpuDemand.Reading;
import org.chorale.tensor.profile.Lane;

/**
 * All that is demanded of several GPUs of one machine, as a table: speeds are tokens a second of each GPU, and figures of
 * peers are those that were measured on H200s over NVLink, or published.
 */
final class GpuDemands {
    private static final double FSDP2_TOKENS = 7_312; // compiled, on two H200
    private static final double FSDP2_GIB = 64.8;
    private static final double BF16_TOKENS = 10_500;
    private static final double NCCL_BYTES = 267e9; // a second of the bus, gathering 1 GiB alone
    private static final double NCCL_SHARE = 0.9;

    private static final String SPEED = "tokens_per_second";
    private static final String MEMORY = "peak_allocated_gib";
    private static final String FULL = "8b-full-shard";
    private static final String BF16 = "8b-full-shard-bf16";
    private static final String TINY = "tiny";

    private static final Pattern GATHER_ALONE = Pattern.compile("^all-gather of 1024 MiB: .* (\\d+) GB/s of the bus$");
    private static final Pattern OK = Pattern.compile("ok$");
    private static final Pattern HYBRID_OK = Pattern.compile("^HYBRID .*ok$");
    private static final Pattern RECOVERED = Pattern.compile("^\\| together \\| (\\d+) ");

    private final GpuCommands commands;
    private final List<GpuDemand> all = new ArrayList<>();

    private GpuDemands(GpuCommands commands) {
        this.commands = commands;
    }

    /** Those that mean something on a machine, in order. */
    static List<GpuDemand> of(GpuCommands commands) {
        GpuDemands demands = new GpuDemands(commands);
        demands.addSpeeds();
        demands.addComparedSpeeds();
        demands.addCommunication();
        demands.addResults();
        return demands.all.stream()
                .filter(demand -> demand.kind().isMeasuredOn(commands.devices()))
                .toList();
    }

    private void addSpeeds() {
        add(
                "speed",
                "8B, fp32 masters, B 1 T 8192, full recompute: tokens/s",
                "more than 7,312 (FSDP2 compiled); goal 9,500",
                Kind.SPEED,
                figure(SPEED, "%,.0f", Need.MORE, FSDP2_TOKENS),
                full());
        add(
                "memory",
                "the same: GiB of each",
                "at most 64.8 (FSDP2)",
                Kind.DEVICE,
                figure(MEMORY, "%.1f", Need.AT_MOST, FSDP2_GIB),
                full());
        add(
                "bf16",
                "8B, bf16 masters, B 4 T 4096: tokens/s",
                "at least 10,500",
                Kind.SPEED,
                figure(SPEED, "%,.0f", Need.AT_LEAST, BF16_TOKENS),
                commands.row(BF16));
        for (String mode : List.of("eager", "compiled")) {
            add(
                    "peer",
                    "FSDP2 " + mode + " beside it: tokens/s and GiB",
                    "",
                    Kind.PEER,
                    outputs -> told(
                            "%,.0f in %.1f",
                            outputs.get(0).number(SPEED), outputs.get(0).number(MEMORY)),
                    mode.equals("eager") ? commands.peer(FULL) : commands.peer(FULL, "--compile"));
        }
    }

    private void addComparedSpeeds() {
        if (commands.ranks() == 4) {
            ratio("scaling", "4 GPUs against 2, fp32 masters", 0.95, full(), commands.row(2, FULL));
            ratio("scaling", "4 GPUs against 2, bf16 masters", 0.95, commands.row(BF16), commands.row(2, BF16));
            add(
                    "hybrid",
                    "two copies over two GPUs each, fp32 masters: tokens/s",
                    "",
                    Kind.SPEED,
                    outputs -> told("%,.0f", outputs.get(0).number(SPEED)),
                    commands.row(FULL, "copies=2"));
        }
        ratio(
                "lora",
                "8B LoRA r 16, base sharded, against one GPU alone",
                0.95,
                commands.row("8b-lora-shard", "steps=10"),
                commands.row(1, "8b-lora", "steps=10"));
        for (String most : List.of("4", "8", "16")) {
            add(
                    "sms",
                    "8B LoRA r 16, base sharded, NCCL on at most " + most + " SMs: tokens/s",
                    "",
                    Kind.SPEED,
                    outputs -> told("%,.0f", outputs.get(0).number(SPEED)),
                    commands.row("8b-lora-shard", "steps=10").with("NCCL_MAX_CTAS", most));
        }
        ratio("fp8", "8B in FP8 by tensor against bf16", 1.25, commands.row(FULL, "fp8=tensor"), full());
        ratio(
                "gather",
                "the same with weights gathered in FP8, against a gather in bf16",
                1,
                commands.row(FULL, "fp8=tensor", "gather=fp8"),
                commands.row(FULL, "fp8=tensor"));
    }

    private void addCommunication() {
        add(
                "nccl",
                "NCCL alone gathers 1 GiB: GB/s of the bus",
                "",
                Kind.SPEED,
                outputs -> told("%.0f", outputs.get(0).number(GATHER_ALONE)),
                commands.check("nccl"));
        add(
                "bandwidth",
                "the largest gathers of 8B in training: GB/s of the bus, median (best; nine in ten)",
                "at least 240, 0.9 of 267",
                Kind.SPEED,
                unused -> gathers(timeline(FULL)),
                full());
        add(
                "hidden",
                "time of NCCL's kernels that lies under compute, 8B, first rank",
                "at least 90 %",
                Kind.SPEED,
                unused -> hidden(timeline(FULL)),
                full());
        add(
                "traffic",
                "timelines know what each of NCCL's kernels moves",
                "all of them",
                Kind.DEVICE,
                unused -> known(timeline(TINY)),
                steps());
    }

    private void addResults() {
        add(
                "collectives",
                "collectives against arithmetic, deaths noticed",
                "all",
                Kind.RESULT,
                held(OK),
                commands.check("nccl"));
        add(
                "modes",
                "gradients of a step and losses of ten against one GPU, all modes",
                "all within tolerance",
                Kind.RESULT,
                held(OK),
                commands.check("shard"));
        if (commands.ranks() == 4) {
            add("hybrid", "of these, hybrid 2 × 2", "all", Kind.RESULT, held(HYBRID_OK), commands.check("shard"));
        }
        String several = "-on-" + commands.ranks();
        gap("200 steps in fp32 against one worker", "at most 0.001", 0.001, "fp32" + several);
        gap("200 steps in bf16 against one worker", "at most 0.02", 0.02, "bf16" + several);
        gap("200 steps in FP8 by tensor against bf16", "", Double.NaN, "fp8" + several);
        add(
                "kills",
                "a worker killed with -9 in its steps, 20 times: the same run, survivors stay",
                "all; milliseconds told",
                Kind.RESULT,
                outputs -> told("yes; %.0f ms to the next step", outputs.get(0).number(RECOVERED))
                        .judged(true),
                commands.kills());
        add(
                "flat",
                "device bytes after 1,000 steps and 1,000 more, every rank",
                "not one more",
                Kind.DEVICE,
                outputs -> told("none in %,.0f steps", 2 * outputs.get(0).number("steps"))
                        .judged(outputs.get(0).number("steps") >= 1_000),
                steps());
    }

    /** The row with a timeline, where speeds are measured at all. */
    private BenchCommand full() {
        return commands.devices() == RankDevices.CUDA ? commands.profiledRow(FULL) : commands.row(FULL);
    }

    /** Ends badly where device memory has grown. */
    private BenchCommand steps() {
        return commands.profiledRow(TINY, "steps=1000");
    }

    private Trace timeline(String row) throws IOException {
        Trace trace = Trace.read(commands.timeline(row));
        if (trace.lost() > 0) {
            throw new IllegalStateException("the timeline has lost %d events".formatted(trace.lost()));
        }
        return trace;
    }

    private static Finding gathers(Trace trace) {
        CollectiveAccount largest = CollectiveAccount.of(trace).stream()
                .filter(account -> account.name().startsWith("allGather "))
                .reduce((first, second) -> second.mostBytes() >= first.mostBytes() ? second : first)
                .orElseThrow(() -> new IllegalStateException("the timeline has no gather whose bytes are known"));
        CollectiveAccount.Spread bus = largest.busBytes();
        return told("%.0f (%.0f; %.0f)", bus.median() / 1e9, bus.best() / 1e9, bus.late() / 1e9)
                .judged(bus.median() >= NCCL_SHARE * NCCL_BYTES);
    }

    private static Finding hidden(Trace trace) {
        List<StepAccount> steps = trace.of(Lane.Kind.STEP).stream()
                .map(step -> StepAccount.of(step, trace))
                .toList();
        double all = steps.stream().mapToDouble(StepAccount::communication).sum();
        double hidden = steps.stream().mapToDouble(StepAccount::hidden).sum();
        if (all == 0) {
            throw new IllegalStateException("the timeline has none of NCCL's kernels");
        }
        return told("%.1f %%", 100 * hidden / all).judged(hidden >= 0.9 * all);
    }

    private static Finding known(Trace trace) {
        int known = CollectiveAccount.of(trace).stream()
                .filter(account -> !account.largestAlone())
                .mapToInt(CollectiveAccount::kernels)
                .sum();
        int unknown = CollectiveAccount.withoutBytes(trace).size();
        return told("%d of %d", known, known + unknown).judged(known > 0 && unknown == 0);
    }

    private enum Need {
        MORE,
        AT_LEAST,
        AT_MOST;

        private boolean isMet(double found, double limit) {
            return switch (this) {
                case MORE -> found > limit;
                case AT_LEAST -> found >= limit;
                case AT_MOST -> found <= limit;
            };
        }
    }

    private static Reading figure(String key, String format, Need need, double limit) {
        return outputs -> {
            double found = outputs.get(0).number(key);
            return told(format, found).judged(need.isMet(found, limit));
        };
    }

    private static Reading held(Pattern line) {
        return outputs ->
                told("%d", outputs.get(0).count(line)).judged(outputs.get(0).count(line) > 0);
    }

    private void ratio(String name, String what, double needed, BenchCommand own, BenchCommand other) {
        Reading reading = outputs -> {
            double first = outputs.get(0).number(SPEED);
            double second = outputs.get(1).number(SPEED);
            return told("%.3f (%,.0f to %,.0f)", first / second, first, second).judged(first >= needed * second);
        };
        add(name, what + ": tokens/s", "at least " + needed, Kind.SPEED, reading, own, other);
    }

    private void gap(String what, String needed, double most, String run) {
        Pattern line = Pattern.compile("^\\| " + run + " \\| 200 \\| (\\d+\\.\\d+) ");
        Reading reading = outputs -> {
            double nats = outputs.get(0).number(line);
            Finding told = told("%.4f", nats);
            return Double.isNaN(most) ? told : told.judged(nats <= most);
        };
        add("curves", what + ": largest gap, nats", needed, Kind.RESULT, reading, commands.curves());
    }

    private void add(String name, String what, String needed, Kind kind, Reading reading, BenchCommand... all) {
        this.all.add(new GpuDemand(name, what, needed, kind, List.of(all), reading));
    }
}
