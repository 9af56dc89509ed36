// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * NVIDIA's driver and its GPUs, as the kernel shows them.
 *
 * @param driver its version; empty where none is loaded
 * @param controlled whether this process may open what every use of a GPU goes through
 * @param gpus in the order of their numbers
 */
record Gpus(Optional<String> driver, boolean controlled, List<Gpu> gpus) {
    /** Whose every release from this one on runs all of CUDA 13. */
    static final int NEEDED_DRIVER = 580;

    private static final String DRIVER = "/proc/driver/nvidia";
    private static final Pattern VERSION =
            Pattern.compile("Kernel Module(?: for \\S+)?\\s+(\\d{2,4}(?:\\.\\d{1,6}){1,3})");

    private static final Pattern MODEL = Pattern.compile("(?m)^Model:\\s*(\\S.*?)\\s*$");
    private static final Pattern MINOR = Pattern.compile("(?m)^Device Minor:\\s*(\\d{1,4})\\s*$");
    private static final Pattern DEVICE = Pattern.compile("nvidia(\\d{1,4})");

    /**
     * One GPU.
     *
     * @param number the one in the name of its device file
     * @param usable whether this process may open that file
     */
    record Gpu(int number, String model, boolean usable) {}

    Gpus {
        gpus = List.copyOf(gpus);
    }

    static Gpus of(Machine machine) {
        Optional<String> version = machine.text(DRIVER + "/version").flatMap(text -> first(VERSION, text));
        List<Gpu> known = machine.names(DRIVER + "/gpus").stream()
                .flatMap(name -> machine.text(DRIVER + "/gpus/" + name + "/information").stream())
                .flatMap(text -> gpu(machine, text).stream())
                .toList();
        Stream<Gpu> others = machine.names("/dev").stream()
                .flatMap(name -> number(name).stream())
                .filter(number -> known.stream().noneMatch(gpu -> gpu.number() == number))
                .map(number -> new Gpu(number, "of an unknown model", usable(machine, "nvidia" + number)));
        List<Gpu> all = Stream.concat(known.stream(), others)
                .sorted(Comparator.comparingInt(Gpu::number))
                .toList();
        return new Gpus(version, usable(machine, "nvidiactl"), all);
    }

    /** Whether there is anything of NVIDIA's at all. */
    boolean present() {
        return driver.isPresent() || !gpus.isEmpty();
    }

    /** Whether the driver runs CUDA 13; one whose version is not known may. */
    boolean newEnough() {
        return driver.map(version -> Integer.parseInt(version.substring(0, version.indexOf('.'))) >= NEEDED_DRIVER)
                .orElse(true);
    }

    private static Optional<Gpu> gpu(Machine machine, String information) {
        return first(MINOR, information)
                .map(Integer::valueOf)
                .map(number -> new Gpu(
                        number,
                        first(MODEL, information).orElse("of an unknown model"),
                        usable(machine, "nvidia" + number)));
    }

    private static Optional<Integer> number(String name) {
        Matcher device = DEVICE.matcher(name);
        return device.matches() ? Optional.of(Integer.valueOf(device.group(1))) : Optional.empty();
    }

    private static boolean usable(Machine machine, String device) {
        Path file = machine.at("/dev/" + device);
        return Files.isReadable(file) && Files.isWritable(file);
    }

    private static Optional<String> first(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        return matcher.find() ? Optional.of(matcher.group(1)) : Optional.empty();
    }
}
