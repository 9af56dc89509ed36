// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceEvent;
import org.chorale.tensor.device.DeviceStream;
import org.chorale.tensor.profile.Lane.Kind;
import org.chorale.tensor.profile.Recording;
import org.chorale.tensor.profile.Span;
import org.chorale.tensor.profile.Timeline;
import org.chorale.tensor.profile.Traffic;

/**
 * Checks on a GPU that a recording has what was done: products, copies either way, and a wait, and that it has room left
 * after some seconds of asking whether an event is over; and that it knows a stream by the number that its kernels have.
 * Prints every span, then a line for each check, on to the next after one that fails.
 */
public final class ProfileCheck {
    private static final Duration PATIENCE = Duration.ofMinutes(1);
    private static final long SIDE = 1024;
    private static final long BYTES = SIDE * SIDE * Float.BYTES;
    private static final int PRODUCTS = 3;
    private static final int MOST_PRINTED = 200;

    /** That keep a GPU busy for some seconds, in fp32, and a waiting host with it. */
    private static final int LONG_PRODUCTS = 500;

    private static final long LONG_SIDE = 8192;

    private int failures;

    private ProfileCheck() {}

    /** The argument, where there is one, is the file that the timeline goes to; the exit code is 1 where a check failed. */
    public static void main(String[] arguments) {
        Device device = Device.cuda(0);
        device.bind();
        ProfileCheck check = new ProfileCheck();
        for (int i = 1; i <= 2; i++) { // a second one must work like the first
            System.out.println("recording " + i);
            check.run(device, arguments);
        }
        check.ask(device);
        check.tellOfStream(device);
        System.out.println(check.failures + " failed");
        System.exit(check.failures == 0 ? 0 : 1);
    }

    private void run(Device device, String[] arguments) {
        try (TensorScope scope = new TensorScope()) {
            work(device); // libraries are loaded, memory is had
            device.await();
            Timeline timeline = record(device);
            print(timeline);
            check(timeline);
            if (arguments.length > 0) {
                timeline.write(Path.of(arguments[0]), Map.of("check", "profile"));
            }
        } catch (RuntimeException | LinkageError e) {
            e.printStackTrace(System.out);
            failures++;
        }
    }

    private static Timeline record(Device device) {
        try (Recording recording = Recording.start(device)) {
            work(device);
            return recording.stop(PATIENCE);
        }
    }

    private void ask(Device device) {
        try (TensorScope scope = new TensorScope();
                Recording recording = Recording.start(device);
                DeviceStream stream = DeviceStream.current(device)) {
            Tensor x = device.zeros(ScalarType.Float, LONG_SIDE, LONG_SIDE);
            Tensor product = device.empty(ScalarType.Float, LONG_SIDE, LONG_SIDE);
            for (int i = 0; i < LONG_PRODUCTS; i++) {
                torch.mm_out(product, x, x);
            }
            long questions = 1;
            try (DeviceEvent event = stream.record()) {
                while (!event.isOver()) {
                    questions++;
                }
            }
            System.out.printf("asked %d times whether an event is over%n", questions);
            Timeline timeline = recording.stop(PATIENCE);
            claim("questions take no room", () -> timeline.lost() == 0);
        }
    }

    /** What is told of a stream must go to the kernels that run there. */
    private void tellOfStream(Device device) {
        try (TensorScope scope = new TensorScope();
                Recording recording = Recording.start(device);
                DeviceStream stream = DeviceStream.urgent(device)) {
            Tensor x = device.empty(ScalarType.Float, SIDE, SIDE);
            device.await();
            try (DeviceStream.Use using = stream.use()) {
                x.fill_(Scalars.of(1));
            }
            recording.add(new Traffic("check", 1, "fill", BYTES, 2), stream, System.nanoTime());
            device.await();
            Timeline timeline = recording.stop(PATIENCE);
            print(timeline);
            List<Span> spans = timeline.spans();
            List<String> told = names(of(spans, Kind.COLLECTIVE));
            Optional<String> ran = of(spans, Kind.KERNEL).stream()
                    .filter(kernel -> KernelFamily.of(kernel.name()) == KernelFamily.FILL)
                    .min(Comparator.comparingLong(Span::startNanos)) // to end a recording takes one more, elsewhere
                    .map(kernel -> kernel.lane().name());
            claim(
                    "a stream is that of its kernels",
                    () -> ran.isPresent() && told.equals(List.of("check, " + ran.get())));
        } catch (RuntimeException | LinkageError e) {
            e.printStackTrace(System.out);
            failures++;
        }
    }

    private static List<String> names(List<Span> spans) {
        return spans.stream().map(span -> span.lane().name()).toList();
    }

    /** Copies to the device, multiplies, copies back, and waits for that. */
    private static void work(Device device) {
        try (TensorScope scope = new TensorScope()) {
            Tensor staged = device.staging(ScalarType.Float, SIDE, SIDE).fill_(Scalars.of(1));
            Tensor x = device.empty(ScalarType.Float, SIDE, SIDE).copy_(staged, true);
            for (int i = 0; i < PRODUCTS; i++) {
                x = torch.mm(x, x);
            }
            staged.copy_(x, false);
        }
    }

    private void check(Timeline timeline) {
        List<Span> spans = timeline.spans();
        long end = System.nanoTime();
        claim("nothing is lost", () -> timeline.lost() == 0);
        claim(
                "there is a kernel per product at least",
                () -> of(spans, Kind.KERNEL).size() >= PRODUCTS);
        claim(
                "kernels have names",
                () -> of(spans, Kind.KERNEL).stream().noneMatch(k -> k.name().isBlank()));
        claim(
                "a product is known by its name",
                () -> of(spans, Kind.KERNEL).stream()
                        .anyMatch(kernel -> KernelFamily.of(kernel.name()) == KernelFamily.GEMM));
        claim(
                "both copies have their bytes",
                () -> of(spans, Kind.COPY).stream()
                        .filter(copy -> copy.bytes() == BYTES)
                        .map(Span::name)
                        .collect(Collectors.toSet())
                        .containsAll(List.of("memcpy host to device", "memcpy device to host")));
        claim(
                "launches are recorded",
                () -> of(spans, Kind.CALL).stream().anyMatch(call -> call.name().startsWith("cudaLaunch")));
        claim("the wait is recorded", () -> !of(spans, Kind.WAIT).isEmpty());
        claim(
                "all times lie within the recording",
                () -> spans.stream()
                        .allMatch(span -> span.startNanos() >= timeline.startNanos()
                                && span.endNanos() >= span.startNanos()
                                && span.endNanos() <= end));
        claim("the first kernel begins after its launch", () -> first(spans, Kind.KERNEL) >= first(spans, Kind.CALL));
    }

    private void claim(String claim, BooleanSupplier holds) {
        boolean good = holds.getAsBoolean();
        failures += good ? 0 : 1;
        System.out.println((good ? "ok   " : "FAIL ") + claim);
    }

    private static List<Span> of(List<Span> spans, Kind kind) {
        return spans.stream().filter(span -> span.lane().kind() == kind).toList();
    }

    private static long first(List<Span> spans, Kind kind) {
        return of(spans, kind).stream().mapToLong(Span::startNanos).min().orElse(Long.MIN_VALUE);
    }

    private static void print(Timeline timeline) {
        timeline.spans().stream()
                .limit(MOST_PRINTED)
                .forEach(span -> System.out.printf(
                        "%-6s %-40s %-60s at %.1f us, %.1f us, %d bytes%n",
                        span.lane().kind().word(),
                        span.lane().name(),
                        span.name(),
                        (span.startNanos() - timeline.startNanos()) / 1e3,
                        (span.endNanos() - span.startNanos()) / 1e3,
                        span.bytes()));
    }
}
