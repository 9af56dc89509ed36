// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.chorale.tensor.NativeFlags;

/** What {@code chorale doctor} says of a machine. */
public final class Diagnosis {
    private static final String NATIVES = "/org/bytedeco/pytorch/linux-x86_64";
    private static final String GPU_EXTENSION = "-gpu";
    private static final String EXTENSION_PROPERTY = "org.bytedeco.javacpp.platform.extension";
    private static final String DEVICE_VARIABLE = "CHORALE_DEVICE";

    private final Machine machine;
    private final Gpus gpus;
    private final List<String> missingFlags;
    private final boolean cpuNatives;
    private final boolean gpuNatives;
    private final Map<CudaLibrary, Optional<String>> libraries = new LinkedHashMap<>(); // none without a GPU
    private final Optional<NcclVersion> nccl;

    private Diagnosis(Machine machine) {
        LibrarySearch search = new LibrarySearch(machine);
        this.machine = machine;
        this.gpus = Gpus.of(machine);
        this.missingFlags = NativeFlags.missing(machine.properties());
        this.cpuNatives = machine.onClassPath().test(NATIVES + "/libjnitorch.so");
        this.gpuNatives = machine.onClassPath().test(NATIVES + GPU_EXTENSION + "/libjnitorch_cuda.so")
                || search.find("libjnitorch_cuda.so").isPresent();
        if (gpus.present()) {
            CudaLibrary.NEEDED.forEach(library -> libraries.put(library, search.find(library.name())));
        }
        this.nccl = Optional.ofNullable(libraries.get(CudaLibrary.NCCL))
                .flatMap(found -> found)
                .flatMap(path -> NcclVersion.of(machine.at(path)));
    }

    /** Looks. */
    public static Diagnosis of(Machine machine) {
        return new Diagnosis(machine);
    }

    /** Whether a run can be trained here at all. */
    public boolean trains() {
        return isLinux() && (cpuNatives || gpuProblems().isEmpty());
    }

    /** Whether there is an NVIDIA GPU, or at least its driver. */
    public boolean seesGpus() {
        return gpus.present();
    }

    /** Whether workers may find GPUs: there are some, and nobody has switched them off. */
    public boolean triesGpus() {
        return gpus.present() && usesGpuNatives();
    }

    /** For people. */
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(field("Java", machine.property("java.version") + ", " + machine.property("java.vm.name")));
        lines.add(field(
                "flags", missingFlags.isEmpty() ? "as they must be" : "missing: " + String.join(" ", missingFlags)));
        lines.add(field("cores", machine.cores()));
        lines.add(field("memory", gibibytes("MemTotal") + ", " + gibibytes("MemAvailable") + " available"));
        lines.add(field("driver", driver()));
        gpus.gpus()
                .forEach(gpu -> lines.add(field(
                        "GPU " + gpu.number(), gpu.model() + (gpu.usable() ? "" : ", which this user may not open"))));
        lines.add(field("natives", natives()));
        if (!libraries.isEmpty()) {
            lines.add(field(
                    "libraries",
                    "%d of %d that a GPU needs"
                            .formatted(libraries.size() - missing().size(), libraries.size())));
            missing().forEach(library -> lines.add("  " + library.name() + " is missing: " + library.remedy()));
        }
        nccl.ifPresent(version -> lines.add(field(
                "NCCL",
                version + (version.newEnough() ? "" : "; several GPUs need " + NcclVersion.NEEDED + " or later"))));
        lines.add(field("CPU", cpuState()));
        lines.add(field("GPU", gpuState()));
        return lines;
    }

    /** For programs: the same, and where each library was found. */
    public ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("java", machine.property("java.version")).put("cores", machine.cores());
        missingFlags.forEach(json.putArray("missing_flags")::add);
        json.put("memory_bytes", bytes("MemTotal").orElse(0));
        json.put("available_memory_bytes", bytes("MemAvailable").orElse(0));
        json.put("driver", gpus.driver().orElse(null));
        ArrayNode devices = json.putArray("gpus");
        gpus.gpus()
                .forEach(gpu -> devices.addObject()
                        .put("number", gpu.number())
                        .put("model", gpu.model())
                        .put("usable", gpu.usable()));
        json.putObject("natives").put("cpu", cpuNatives).put("gpu", gpuNatives);
        ArrayNode found = json.putArray("libraries");
        libraries.forEach((library, path) -> found.addObject()
                .put("name", library.name())
                .put("path", path.orElse(null))
                .put("debian", library.debian())
                .put("wheel", library.wheel()));
        json.put("nccl", nccl.map(NcclVersion::toString).orElse(null));
        json.putObject("cpu").put("ready", isLinux() && cpuNatives).put("state", cpuState());
        json.putObject("gpu").put("ready", gpuProblems().isEmpty()).put("state", gpuState());
        return json;
    }

    private String driver() {
        if (!gpus.present()) {
            return "no NVIDIA driver";
        }
        return gpus.driver().orElse("of an unknown version") + "; CUDA 13 needs " + Gpus.NEEDED_DRIVER + " or later";
    }

    private String natives() {
        if (cpuNatives && gpuNatives) {
            return "for CPU and GPU";
        } else if (gpuNatives) {
            return "for GPU";
        }
        return cpuNatives ? "for CPU" : "none on the class path";
    }

    private String cpuState() {
        if (!isLinux()) {
            return "not ready: there are natives for Linux on x86-64 only";
        } else if (!cpuNatives) {
            return "not ready: the class path lacks org.bytedeco:pytorch for linux-x86_64; start with deploy/chorale";
        } else if (usesGpuNatives() && gpus.present() && !missing().isEmpty()) {
            return "ready with CHORALE_DEVICE=cpu, since the natives for GPUs cannot be loaded without the libraries";
        }
        return "ready";
    }

    private String gpuState() {
        List<String> problems = gpuProblems();
        return problems.isEmpty() ? "ready" : "not ready: " + String.join("; ", problems);
    }

    /** In the order in which they are to be solved. */
    private List<String> gpuProblems() {
        if (!gpus.present()) {
            return List.of("there is no NVIDIA GPU, or its driver is not loaded");
        }
        List<String> problems = new ArrayList<>();
        if (!gpus.newEnough()) {
            problems.add("the driver is too old for CUDA 13; install nvidia-driver-%d or later"
                    .formatted(Gpus.NEEDED_DRIVER));
        }
        if (!gpus.controlled() || gpus.gpus().stream().noneMatch(Gpus.Gpu::usable)) {
            problems.add("this process may not open /dev/nvidiactl and a GPU's /dev/nvidia file"
                    + " (of a container: start it with --gpus all)");
        }
        if (!gpuNatives) {
            problems.add("the class path lacks org.bytedeco:pytorch for linux-x86_64-gpu; deploy/chorale takes it where"
                    + " there is a GPU and CHORALE_DEVICE is not cpu");
        } else if (!usesGpuNatives()) {
            problems.add("the natives for GPUs are not used: "
                    + (machine.environment().getOrDefault(DEVICE_VARIABLE, "").equals("cpu")
                            ? "CHORALE_DEVICE is cpu"
                            : "Java needs -D" + EXTENSION_PROPERTY + "=" + GPU_EXTENSION));
        }
        if (!missing().isEmpty()) {
            problems.add("libraries are missing: "
                    + String.join(
                            ", ", missing().stream().map(CudaLibrary::name).toList()));
        }
        return problems;
    }

    private List<CudaLibrary> missing() {
        return libraries.entrySet().stream()
                .filter(library -> library.getValue().isEmpty())
                .map(Map.Entry::getKey)
                .toList();
    }

    /** Where JavaCPP is not told which to take, it takes those for a GPU wherever there are any. */
    private boolean usesGpuNatives() {
        return gpuNatives
                && machine.properties()
                        .getProperty(EXTENSION_PROPERTY, GPU_EXTENSION)
                        .equals(GPU_EXTENSION);
    }

    private boolean isLinux() {
        return machine.property("os.name").equals("Linux")
                && machine.property("os.arch").equals("amd64");
    }

    private String gibibytes(String entry) {
        OptionalLong bytes = bytes(entry);
        return bytes.isPresent()
                ? String.format(Locale.ROOT, "%.1f GiB", (double) bytes.getAsLong() / (1 << 30))
                : "unknown";
    }

    /** Of what the kernel says about memory. */
    private OptionalLong bytes(String entry) {
        Matcher size = Pattern.compile("(?m)^" + entry + ":\\s+(\\d{1,15}) kB$")
                .matcher(machine.text("/proc/meminfo").orElse(""));
        return size.find() ? OptionalLong.of(Long.parseLong(size.group(1)) * 1024) : OptionalLong.empty();
    }

    private static String field(String name, Object value) {
        return String.format(Locale.ROOT, "%-11s%s", name, value);
    }
}
