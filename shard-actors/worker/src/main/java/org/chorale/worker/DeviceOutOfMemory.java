// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.training.Holding;

/**
 * libtorch's error of a GPU without memory, taken apart. It reaches Java as a RuntimeException with nothing but its text,
 * and not every part is in every text.
 *
 * @param gpu by its number
 * @param askedBytes that could not be had
 * @param totalBytes of the GPU
 * @param freeBytes that nobody has
 * @param processBytes that this process has, libraries' memory included
 * @param allowedBytes that this process's tensors may have, where a share was set
 * @param allocatedBytes that tensors hold
 * @param heldBackBytes that the allocator keeps and cannot give, since it lies in pieces that are too small
 */
record DeviceOutOfMemory(
        Optional<String> gpu,
        Optional<Double> askedBytes,
        Optional<Double> totalBytes,
        Optional<Double> freeBytes,
        Optional<Double> processBytes,
        Optional<Double> allowedBytes,
        Optional<Double> allocatedBytes,
        Optional<Double> heldBackBytes) {
    /** The allocator's words, and those of everything else that asks the driver. */
    private static final Pattern ERROR =
            Pattern.compile("CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED");

    private static final String SIZE = "(\\d{1,9}(?:\\.\\d{1,2})? (?:bytes|KiB|MiB|GiB))";
    private static final Pattern ASKED = Pattern.compile("Tried to allocate " + SIZE);
    private static final Pattern GPU = Pattern.compile("\\bGPU (\\d{1,3})\\b");
    private static final Pattern TOTAL = Pattern.compile("total capacity of " + SIZE);
    private static final Pattern FREE = Pattern.compile("of which " + SIZE + " is free");
    private static final Pattern PROCESS = Pattern.compile("this process has " + SIZE + " memory in use");
    private static final Pattern ALLOWED = Pattern.compile(SIZE + " allowed");
    private static final Pattern ALLOCATED = Pattern.compile("Of the allocated memory " + SIZE);
    private static final Pattern HELD_BACK = Pattern.compile(SIZE + " is reserved by PyTorch but unallocated");

    /** The whole error is one line; behind it stands where in libtorch it arose. */
    private static final int LONGEST_TEXT = 4096;

    /** The share of a GPU, or of what tensors hold, from which on something is worth a word. */
    private static final double MUCH = 0.1;

    private static final String LESS_ACTIVATIONS = "model.recompute = full or a smaller data.micro-batch";
    private static final String LESS_STATE = "model.adapter.type = lora or precision = bf16-true";

    /** Empty where a failure is something else. */
    static Optional<DeviceOutOfMemory> of(Throwable failure) {
        String message = String.valueOf(failure.getMessage());
        String text = message.substring(0, Math.min(message.length(), LONGEST_TEXT));
        return ERROR.matcher(text).find() ? Optional.of(parse(text)) : Optional.empty();
    }

    private static DeviceOutOfMemory parse(String text) {
        return new DeviceOutOfMemory(
                first(GPU, text),
                bytes(ASKED, text),
                bytes(TOTAL, text),
                bytes(FREE, text),
                bytes(PROCESS, text),
                bytes(ALLOWED, text),
                bytes(ALLOCATED, text),
                bytes(HELD_BACK, text));
    }

    /**
     * What is to be thrown in the place of a failure: the same one, unless it is a GPU without memory; then the fault that
     * says what holds how much.
     *
     * @param holding of this rank between steps
     */
    static RuntimeException explained(RuntimeException failure, Supplier<Holding> holding) {
        return of(failure)
                .map(lack -> lack.fault(Optional.of(holding.get())))
                .<RuntimeException>map(fault -> new FaultException(fault.code(), fault.message(), failure))
                .orElse(failure);
    }

    /** @param holding empty where it is not known */
    Fault fault(Optional<Holding> holding) {
        List<String> sentences = new ArrayList<>();
        sentences.add(asked());
        whatHolds(holding).ifPresent(sentences::add);
        others().ifPresent(sentences::add);
        fragments().ifPresent(sentences::add);
        sentences.add(remedies(holding));
        return new Fault(FaultCode.DEVICE_OUT_OF_MEMORY, String.join("; ", sentences));
    }

    private String asked() {
        String subject = gpu.map(number -> "GPU " + number).orElse("the GPU");
        String lacking = askedBytes.map(bytes -> " for " + words(bytes)).orElse("");
        String ofAll = totalBytes
                .flatMap(total -> freeBytes.map(free -> ", of " + words(total) + " " + words(free) + " are free"))
                .orElse("");
        String bounded = allowedBytes
                .filter(allowed -> allowed < totalBytes.orElse(Double.POSITIVE_INFINITY))
                .map(allowed -> ", this process may have " + words(allowed) + " by parallel.memory-fraction")
                .orElse("");
        return subject + " has no memory left" + lacking + ofAll + bounded;
    }

    /** Everything that tensors hold and that stays from step to step is known; the rest comes and goes within a step. */
    private Optional<String> whatHolds(Optional<Holding> holding) {
        Optional<String> tensors = allocatedBytes.map(bytes -> "tensors hold " + words(bytes));
        if (holding.isEmpty()) {
            return tensors;
        }
        Holding held = holding.get();
        String state = "parameters %s, gradients %s, optimizer %s"
                .formatted(words((double) held.parameterBytes()), words((double) held.gradientBytes()), words((double)
                        held.optimizerBytes()));
        String rest = allocatedBytes
                .map(all -> ", activations and buffers " + words(Math.max(0, all - bytes(held))))
                .orElse("");
        return Optional.of(tensors.map(words -> words + ": ").orElse("this rank holds ") + state + rest);
    }

    private Optional<String> others() {
        if (totalBytes.isEmpty() || freeBytes.isEmpty() || processBytes.isEmpty()) {
            return Optional.empty();
        }
        double bytes = totalBytes.get() - freeBytes.get() - processBytes.get();
        return bytes > MUCH * totalBytes.get()
                ? Optional.of("other processes hold " + words(bytes) + " of this GPU")
                : Optional.empty();
    }

    private Optional<String> fragments() {
        return heldBackBytes
                .filter(bytes -> bytes > MUCH * allocatedBytes.orElse(bytes))
                .map(bytes -> words(bytes) + " are free, but in pieces too small:"
                        + " PYTORCH_ALLOC_CONF=expandable_segments:True in the environment may help");
    }

    /** What takes most comes first. */
    private String remedies(Optional<Holding> holding) {
        boolean stateIsMost =
                holding.isPresent() && allocatedBytes.isPresent() && bytes(holding.get()) > allocatedBytes.get() / 2;
        String first = stateIsMost ? LESS_STATE : LESS_ACTIVATIONS;
        String second = stateIsMost ? LESS_ACTIVATIONS : LESS_STATE;
        return first + " needs less, and so does " + second;
    }

    private static double bytes(Holding holding) {
        return (double) holding.parameterBytes() + holding.gradientBytes() + holding.optimizerBytes();
    }

    private static Optional<String> first(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        return matcher.find() ? Optional.of(matcher.group(1)) : Optional.empty();
    }

    private static Optional<Double> bytes(Pattern pattern, String text) {
        return first(pattern, text).map(DeviceOutOfMemory::bytes);
    }

    /** As libtorch writes a size, such as {@code 1.50 GiB}. */
    private static double bytes(String size) {
        String[] numberAndUnit = size.split(" ", 2);
        double unit = switch (numberAndUnit[1]) {
            case "KiB" -> 1 << 10;
            case "MiB" -> 1 << 20;
            case "GiB" -> 1 << 30;
            default -> 1;
        };
        return Double.parseDouble(numberAndUnit[0]) * unit;
    }

    private static String words(double bytes) {
        return bytes >= 1 << 30
                ? String.format(Locale.ROOT, "%.2f GiB", bytes / (1 << 30))
                : String.format(Locale.ROOT, "%.1f MiB", bytes / (1 << 20));
    }
}
