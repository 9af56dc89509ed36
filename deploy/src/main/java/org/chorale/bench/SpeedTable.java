// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The table of speeds in the README, made of {@code deploy/bench/results}: a line for each row and setting that Chorale was
 * measured in, with the newest result, beside it the peers' in the same row on the same machine; then who measured, when
 * and how, and what controls for drift have found.
 */
public final class SpeedTable {
    static final String BEGIN = "<!-- table of speeds: begin -->\n";
    static final String END = "<!-- table of speeds: end -->\n";

    private static final Map<String, String> TITLES = Map.of(
            "1b-full", "1.1B, full fine-tune",
            "8b-lora-recompute", "8B, LoRA r 16",
            "8b-lora", "8B, LoRA r 16",
            "8b-full", "8B, full fine-tune",
            "8b-full-shard", "8B, full fine-tune",
            "8b-full-shard-bf16", "8B, full fine-tune",
            "8b-lora-shard", "8B, LoRA r 16",
            "mixture-8", "2.4B, 2 of 8 experts, full fine-tune",
            "mixture-128", "5.1B, 8 of 128 experts, full fine-tune",
            "tiny", "0.9M, full fine-tune");

    private final List<SpeedResult> ours;
    private final List<SpeedResult> peers;
    private final List<SpeedResult> controls;

    /** @param results the oldest first */
    SpeedTable(List<SpeedResult> results) {
        ours = newest(results.stream().filter(SpeedResult::isOurs)).stream()
                .sorted(Comparator.comparingInt(result -> place(result.row())))
                .toList();
        peers = newest(results.stream().filter(result -> !result.isOurs() && !result.control())).stream()
                .sorted(Comparator.comparingDouble(SpeedResult::tokensPerSecond).reversed())
                .toList();
        controls = List.copyOf(newest(results.stream().filter(SpeedResult::control)));
    }

    /** Rewrites the part of the README between the marks. The argument is the root of the repository. */
    public static void main(String[] arguments) throws IOException {
        Path root = Path.of(arguments[0]);
        Path readme = root.resolve("README.md");
        try {
            String table = new SpeedTable(SpeedResult.readAll(root.resolve("deploy/bench/results"))).markdown();
            Files.writeString(readme, placed(Files.readString(readme), table));
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(2);
        }
    }

    /** A text with a table in the place of what is between its marks. */
    static String placed(String text, String table) {
        int begin = text.indexOf(BEGIN);
        int end = text.indexOf(END);
        if (begin < 0 || end < begin) {
            throw new IllegalArgumentException(
                    "README.md: has no lines %s and %s, in this order".formatted(BEGIN.strip(), END.strip()));
        }
        return text.substring(0, begin + BEGIN.length()) + table + text.substring(end);
    }

    /** @throws IllegalArgumentException where a control has nothing to be compared with */
    String markdown() {
        StringBuilder text = new StringBuilder("""
                | B sequences of T tokens | Chorale, tokens/s | memory | Transformers or PEFT | memory |
                | --- | --- | --- | --- | --- |
                """);
        ours.forEach(result -> text.append(line(result)));
        text.append("\nWhen, on what and how:\n\n");
        provenance().forEach(line -> text.append("* ").append(line).append('\n'));
        controls.forEach(control -> text.append("* ").append(drift(control)).append('\n'));
        return text.toString();
    }

    private String line(SpeedResult own) {
        List<SpeedResult> beside = peers.stream()
                .filter(peer -> peer.row().equals(own.row()) && peer.machine().equals(own.machine()))
                .toList();
        String speeds = beside.isEmpty() ? "not measured" : joined(beside, peer -> speed(peer, own));
        return "| %s | %s | %s | %s | %s |\n"
                .formatted(
                        words(own),
                        figure(own.tokensPerSecond()),
                        memory(own),
                        speeds,
                        joined(beside, SpeedTable::memory));
    }

    private static String words(SpeedResult result) {
        return "%s in %s%s%s, B %d T %d, %s"
                .formatted(
                        TITLES.getOrDefault(result.row(), result.row()),
                        result.precision(),
                        result.ranks() == 1 ? "" : " on each of %d GPUs that share it".formatted(result.ranks()),
                        result.copies() == 1 ? "" : ", %d copies".formatted(result.copies()),
                        result.sequences(),
                        result.tokens(),
                        recomputed(result));
    }

    private static String recomputed(SpeedResult result) {
        return switch (result.recompute()) {
            case "none" -> "nothing recomputed";
            case "full" -> "everything recomputed";
            default -> "recompute " + result.recompute();
        };
    }

    /** With what the peer did otherwise. */
    private static String speed(SpeedResult peer, SpeedResult own) {
        StringBuilder words = new StringBuilder(variant(peer)).append(' ').append(figure(peer.tokensPerSecond()));
        if (peer.sequences() != own.sequences() || peer.tokens() != own.tokens()) {
            words.append(" at B %d T %d".formatted(peer.sequences(), peer.tokens()));
        }
        if (!peer.recompute().equals(own.recompute())) {
            words.append(", ").append(recomputed(peer));
        }
        return words.toString();
    }

    private static String variant(SpeedResult peer) {
        return peer.system().substring(peer.system().indexOf(',') + 1).strip();
    }

    private static String memory(SpeedResult result) {
        return result.peakGib().isPresent()
                ? String.format(Locale.ROOT, "%.1f GiB", result.peakGib().getAsDouble())
                : "not counted";
    }

    private static String figure(double tokensPerSecond) {
        return String.format(Locale.ROOT, "%,.0f", tokensPerSecond);
    }

    private static String joined(List<SpeedResult> results, Function<SpeedResult, String> words) {
        return results.stream().map(words).collect(Collectors.joining("; "));
    }

    /** A line for each day and machine with the commands of what the table shows. */
    private List<String> provenance() {
        Map<String, List<String>> commands = new LinkedHashMap<>();
        Stream.concat(ours.stream(), peers.stream())
                .forEach(result -> commands.computeIfAbsent(
                                result.date() + ", " + result.machine(), unused -> new ArrayList<>())
                        .add("`" + result.command() + "`"));
        return commands.entrySet().stream()
                .map(entry -> entry.getKey() + ": "
                        + entry.getValue().stream().distinct().sorted().collect(Collectors.joining(", ")))
                .sorted()
                .toList();
    }

    private String drift(SpeedResult control) {
        SpeedResult stored = Stream.concat(ours.stream(), peers.stream())
                .filter(result -> result.setting().equals(control.setting()))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "the control `%s` of %s measures nothing again that deploy/bench/results has"
                                .formatted(control.command(), control.date())));
        return String.format(
                Locale.ROOT,
                "Control for drift: `%s` gave %s tokens/s on %s, %.3f of what it had given on %s.",
                control.command(),
                figure(control.tokensPerSecond()),
                control.date(),
                control.tokensPerSecond() / stored.tokensPerSecond(),
                stored.date());
    }

    /** The last one of each setting. */
    private static Collection<SpeedResult> newest(Stream<SpeedResult> results) {
        Map<List<Object>, SpeedResult> newest = new LinkedHashMap<>();
        results.forEach(result -> newest.put(result.setting(), result));
        return newest.values();
    }

    /** That of a row in the table; other rows come last. */
    private static int place(String row) {
        List<String> rows = Arrays.stream(BenchRow.values()).map(BenchRow::word).toList();
        return rows.contains(row) ? rows.indexOf(row) : rows.size();
    }
}
