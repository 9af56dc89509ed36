// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Properties;
import java.util.Set;

/** A machine whose files lie in a folder: Linux, a Java with all flags and natives for the CPU, and no GPU at first. */
final class PlayedMachine {
    static final String CPU_NATIVES = "/org/bytedeco/pytorch/linux-x86_64/libjnitorch.so";
    static final String GPU_NATIVES = "/org/bytedeco/pytorch/linux-x86_64-gpu/libjnitorch_cuda.so";

    final Map<String, String> environment = new HashMap<>();
    final Properties properties = new Properties();
    final Set<String> classPath = new HashSet<>(Set.of(CPU_NATIVES));
    private final Path root;

    PlayedMachine(Path root) {
        this.root = root;
        properties.putAll(Map.of(
                "os.name", "Linux",
                "os.arch", "amd64",
                "java.version", "17.0.15",
                "java.vm.name", "OpenJDK 64-Bit Server VM",
                "org.bytedeco.javacpp.nopointergc", "true",
                "org.bytedeco.javacpp.maxBytes", "0",
                "org.bytedeco.javacpp.maxPhysicalBytes", "0"));
        file("/proc/meminfo", "MemTotal:       24637440 kB\nMemFree:  1 kB\nMemAvailable:   12582912 kB\n");
    }

    /** With a driver, one GPU, and the launcher's natives. */
    PlayedMachine withGpu(String versionLine) {
        file("/proc/driver/nvidia/version", versionLine);
        file(
                "/proc/driver/nvidia/gpus/0000:01:00.0/information",
                "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 94\nDevice Minor: \t 0\nGPU Excluded:\t No\n");
        file("/dev/nvidiactl", "");
        file("/dev/nvidia0", "");
        file("/dev/nvidia-uvm", "");
        classPath.add(GPU_NATIVES);
        properties.setProperty("org.bytedeco.javacpp.platform.extension", "-gpu");
        return this;
    }

    /** All that a GPU needs, in one folder. */
    PlayedMachine withLibrariesIn(String folder) {
        CudaLibrary.NEEDED.forEach(library -> file(folder + "/" + library.name(), ""));
        return this;
    }

    PlayedMachine file(String absolute, String text) {
        try {
            Path file = path(absolute);
            Files.createDirectories(file.getParent());
            Files.writeString(file, text);
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    PlayedMachine without(String absolute) {
        try {
            Files.delete(path(absolute));
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Path path(String absolute) {
        return root.resolve(absolute.substring(1));
    }

    Diagnosis diagnosis() {
        return Diagnosis.of(new Machine(root, environment, properties, 16, classPath::contains));
    }
}
