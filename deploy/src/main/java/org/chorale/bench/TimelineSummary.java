// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.google.errorprone.annotations.FormatMethod;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.chorale.bench.Trace.Event;
import org.chorale.tensor.profile.Lane.Kind;

/**
 * Reads a timeline and prints, in Markdown, where the time of its steps went: step by step, then by operations between
 * ranks, with their bandwidth, by families of kernels and by kernels, as means per step.
 */
public final class TimelineSummary {
    private static final int MOST_KERNELS = 30;

    private final Trace trace;
    private final PrintStream out;
    private final List<Event> steps;
    private final double wallMicros; // of all steps

    private TimelineSummary(Trace trace, PrintStream out) {
        this.trace = trace;
        this.out = out;
        this.steps = trace.of(Kind.STEP);
        this.wallMicros = steps.stream().mapToDouble(Event::length).sum();
    }

    /** The argument is the file. */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 1) {
            System.err.println("usage: timeline FILE.json");
            System.exit(2);
        }
        try {
            print(Path.of(arguments[0]), System.out);
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(2);
        }
    }

    /** @throws IllegalArgumentException where the file is no timeline of steps */
    static void print(Path file, PrintStream out) throws IOException {
        TimelineSummary summary = new TimelineSummary(Trace.read(file), out);
        if (summary.steps.isEmpty()) {
            throw new IllegalArgumentException(file + " has no event of category " + Kind.STEP.word());
        }
        summary.print();
    }

    private void print() {
        if (trace.lost() > 0) {
            line("**%d events at least are lost: the figures are too low.**\n", trace.lost());
        }
        printSteps();
        printCollectives();
        List<Event> ran = List.of(Kind.KERNEL, Kind.COPY).stream()
                .flatMap(kind -> trace.of(kind).stream())
                .filter(event -> steps.stream().anyMatch(step -> begins(event, step)))
                .toList();
        printGroups("family", ran, event -> KernelFamily.of(event.name()).name().toLowerCase(Locale.ROOT));
        printGroups("kernel", ran, Event::name);
    }

    private void printSteps() {
        line(
                "| step | ms | GPU busy | idle | longest gap, us | communication, ms | hidden | launches | ms in them | host waits |");
        line("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        for (Event step : steps) {
            StepAccount account = StepAccount.of(step, trace);
            line(
                    "| %s | %.2f | %.2f %% | %.3f ms | %.1f | %.2f | %s | %d | %.2f | %s |",
                    account.name(),
                    account.wall() / 1e3,
                    100 * account.busy() / account.wall(),
                    (account.wall() - account.busy()) / 1e3,
                    account.longestGap(),
                    account.communication() / 1e3,
                    hidden(account),
                    account.launches(),
                    account.launching() / 1e3,
                    waits(account.waits()));
        }
    }

    private void printCollectives() {
        List<CollectiveAccount> accounts = CollectiveAccount.of(trace);
        if (!accounts.isEmpty()) {
            line(
                    "\n| operation of ranks | calls a step | MiB | us: best, median, 90 %% within | bus, GB/s: best, median, 90 %% from | hidden |");
            line("| --- | --- | --- | --- | --- | --- |");
            accounts.forEach(this::printCollective);
        }
        List<Event> unknown = CollectiveAccount.withoutBytes(trace);
        if (!unknown.isEmpty()) {
            line(
                    "\n**Of %d of NCCL's kernels it is not known what they moved, so no operation stands here for them: %s.**",
                    unknown.size(),
                    unknown.stream().map(Event::name).distinct().sorted().collect(Collectors.joining(", ")));
        }
    }

    /** Gigabytes are 10⁹ bytes, as in NVIDIA's figures. */
    private void printCollective(CollectiveAccount account) {
        line(
                "| %s%s | %.1f | %s | %.1f, %.1f, %.1f | %.1f, %.1f, %.1f | %.1f %% |",
                account.name(),
                account.largestAlone() ? ", the largest" : "",
                (double) account.kernels() / steps.size(),
                account.fewestBytes() == account.mostBytes()
                        ? mebibytes(account.mostBytes())
                        : mebibytes(account.fewestBytes()) + " to " + mebibytes(account.mostBytes()),
                account.micros().best(),
                account.micros().median(),
                account.micros().late(),
                account.busBytes().best() / 1e9,
                account.busBytes().median() / 1e9,
                account.busBytes().late() / 1e9,
                100 * account.hidden());
    }

    private static String mebibytes(long bytes) {
        return String.format(Locale.ROOT, "%.3f", bytes / (double) (1 << 20));
    }

    private void printGroups(String title, List<Event> ran, Function<Event, String> group) {
        line("\n| %s | calls a step | ms a step | of the step | us a call |", title);
        line("| --- | --- | --- | --- | --- |");
        Map<String, List<Event>> groups = ran.stream().collect(Collectors.groupingBy(group));
        groups.entrySet().stream()
                .sorted(Comparator.comparingDouble(entry -> -micros(entry.getValue())))
                .limit(MOST_KERNELS)
                .forEach(entry -> printGroup(entry.getKey(), entry.getValue()));
    }

    private void printGroup(String name, List<Event> events) {
        double micros = micros(events);
        line(
                "| %s | %.1f | %.3f | %.1f %% | %.1f |",
                name.replace("|", "\\|"),
                (double) events.size() / steps.size(),
                micros / 1e3 / steps.size(),
                100 * micros / wallMicros,
                micros / events.size());
    }

    private static String hidden(StepAccount account) {
        return account.communication() == 0
                ? "–"
                : String.format(Locale.ROOT, "%.1f %%", 100 * account.hidden() / account.communication());
    }

    /** How many, of which kinds. */
    private static String waits(List<Event> waits) {
        return waits.isEmpty()
                ? "none"
                : waits.stream().collect(Collectors.groupingBy(Event::name, Collectors.counting())).entrySet().stream()
                        .sorted(Map.Entry.comparingByKey())
                        .map(entry -> entry.getValue() + " " + entry.getKey())
                        .collect(Collectors.joining(", "));
    }

    private static boolean begins(Event event, Event step) {
        return event.start() >= step.start() && event.start() < step.start() + step.length();
    }

    private static double micros(List<Event> events) {
        return events.stream().mapToDouble(Event::length).sum();
    }

    @FormatMethod
    private void line(String format, Object... arguments) {
        out.println(String.format(Locale.ROOT, format, arguments));
    }
}
