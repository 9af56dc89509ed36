// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class DiagnosisTest {
    private static final String DRIVER =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 10:11:16 UTC 2026\nGCC version: 12\n";
    private static final String OPEN_DRIVER =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  590.44.01  Release Build  (dvs-builder)\n";
    private static final String OLD_DRIVER =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Wed Jun 25 09:13:00 UTC 2025\n";

    @TempDir
    Path root;

    private PlayedMachine machine;

    @BeforeEach
    void play() {
        machine = new PlayedMachine(root);
    }

    @Test
    void withoutAGpuItTrainsOnTheCpuAndNoLibraryIsMissed() {
        Diagnosis diagnosis = machine.diagnosis();

        assertThat(diagnosis.trains()).isTrue();
        assertThat(diagnosis.lines())
                .containsExactly(
                        "Java       17.0.15, OpenJDK 64-Bit Server VM",
                        "flags      as they must be",
                        "cores      16",
                        "memory     23.5 GiB, 12.0 GiB available",
                        "driver     no NVIDIA driver",
                        "natives    for CPU",
                        "CPU        ready",
                        "GPU        not ready: there is no NVIDIA GPU, or its driver is not loaded");
        assertThat(diagnosis.json().get("memory_bytes").asLong()).isEqualTo(24637440L * 1024);
        assertThat(diagnosis.json().get("libraries")).isEmpty();
        assertThat(diagnosis.json().get("driver").isNull()).isTrue();
    }

    @Test
    void gpusAreTriedWhereThereAreSomeAndTheirNativesAreUsed() {
        assertThat(machine.diagnosis().triesGpus()).isFalse();
        machine.withGpu(OPEN_DRIVER);
        assertThat(machine.diagnosis().triesGpus())
                .as("without libraries, too, to say so")
                .isTrue();
        machine.properties.setProperty("org.bytedeco.javacpp.platform.extension", "");
        assertThat(machine.diagnosis().triesGpus()).isFalse();
        assertThat(machine.diagnosis().seesGpus()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"/opt/cuda", "/usr/local/cuda/lib64"})
    void aGpuWithEverythingIsReady(String folder) {
        machine.withGpu(OPEN_DRIVER).withLibrariesIn(folder).environment.put("LD_LIBRARY_PATH", "/nowhere::/opt/cuda");
        Diagnosis diagnosis = machine.diagnosis();

        assertThat(diagnosis.lines())
                .contains(
                        "driver     590.44.01; CUDA 13 needs 580 or later",
                        "GPU 0      NVIDIA H100 80GB HBM3",
                        "natives    for CPU and GPU",
                        "libraries  14 of 14 that a GPU needs",
                        "GPU        ready");
        JsonNode json = diagnosis.json();
        assertThat(json.at("/gpu/ready").asBoolean()).isTrue();
        assertThat(json.at("/gpus/0/model").asText()).isEqualTo("NVIDIA H100 80GB HBM3");
        assertThat(json.at("/libraries/1/path").asText()).isEqualTo(folder + "/libcudart.so.13");
    }

    @Test
    void eachMissingLibraryIsNamedWithHowToGetIt() {
        machine.withGpu(DRIVER)
                .withLibrariesIn("/opt/cuda")
                .without("/opt/cuda/libcublasLt.so.13")
                .without("/opt/cuda/libcudnn.so.9")
                .without("/opt/cuda/libcuda.so.1")
                .properties
                .setProperty("java.library.path", "/opt/cuda");
        Diagnosis diagnosis = machine.diagnosis();

        assertThat(diagnosis.trains()).isTrue();
        assertThat(diagnosis.lines())
                .containsSubsequence(
                        "libraries  11 of 14 that a GPU needs",
                        "  libcuda.so.1 is missing: apt-get install libnvidia-compute-580 (or later) (NVIDIA's"
                                + " repository); it comes with the driver",
                        "  libcublasLt.so.13 is missing: apt-get install libcublas-13-1 (NVIDIA's repository), or pip"
                                + " install 'nvidia-cublas==13.*' and its nvidia/cu13/lib on LD_LIBRARY_PATH",
                        "  libcudnn.so.9 is missing: apt-get install libcudnn9-cuda-13 (NVIDIA's repository), or pip"
                                + " install 'nvidia-cudnn-cu13' and its nvidia/cudnn/lib on LD_LIBRARY_PATH",
                        "CPU        ready with CHORALE_DEVICE=cpu, since the natives for GPUs cannot be loaded without"
                                + " the libraries",
                        "GPU        not ready: libraries are missing: libcuda.so.1, libcublasLt.so.13, libcudnn.so.9");
    }

    @ParameterizedTest
    @CsvSource({
        "2.28.9, 2.28.9",
        "2.30.1, 2.30.1",
        "3.0.0, 3.0.0",
        "2.28.8, 2.28.8; several GPUs need 2.28.9 or later",
        "2.9.21, 2.9.21; several GPUs need 2.28.9 or later"
    })
    void anNcclThatIsTooOldForSeveralGpusIsNamed(String version, String line) {
        String library = "\177ELF" + "\0".repeat((1 << 20) - 20) + "NCCL version " + version + "+cuda13.0\0";
        machine.withGpu(DRIVER).withLibrariesIn("/usr/local/cuda/lib64");
        assertThat(machine.diagnosis().lines()).noneMatch(said -> said.startsWith("NCCL"));

        machine.file("/usr/local/cuda/lib64/libnccl.so.2", library);
        assertThat(machine.diagnosis().lines()).contains("NCCL       " + line, "GPU        ready");
        assertThat(machine.diagnosis().json().get("nccl").asText()).isEqualTo(version);
    }

    @Test
    void nativesForAGpuAreUsedWhereNobodySaysOtherwise() {
        machine.withGpu(DRIVER).withLibrariesIn("/usr/local/cuda/lib64");
        machine.properties.remove("org.bytedeco.javacpp.platform.extension");
        assertThat(machine.diagnosis().lines()).contains("GPU        ready");
    }

    @Test
    void aLibraryInAJarIsFoundToo() {
        machine.withGpu(DRIVER).classPath.add("/org/bytedeco/cuda/linux-x86_64/libnvrtc.so.13");
        assertThat(machine.diagnosis().json().at("/libraries/11/path").asText()).endsWith("libnvrtc.so.13");
    }

    @Test
    void whatKeepsAGpuFromBeingUsedIsSaidAllAtOnce() {
        machine.withGpu(OLD_DRIVER).without("/dev/nvidia0").classPath.remove(PlayedMachine.GPU_NATIVES);

        assertThat(machine.diagnosis().lines())
                .contains("GPU 0      NVIDIA H100 80GB HBM3, which this user may not open")
                .last()
                .asString()
                .containsSubsequence(
                        "not ready: the driver is too old for CUDA 13; install nvidia-driver-580",
                        "may not open /dev/nvidiactl and a GPU's",
                        "--gpus all",
                        "the class path lacks org.bytedeco:pytorch for linux-x86_64-gpu",
                        "libraries are missing: libcuda.so.1, libcudart.so.13");
    }

    @ParameterizedTest
    @CsvSource({"cpu, CHORALE_DEVICE is cpu", "'', Java needs -Dorg.bytedeco.javacpp.platform.extension=-gpu"})
    void aGpuThatIsSwitchedOffIsNotReadyAndLeavesTheCpuAlone(String device, String words) {
        machine.withGpu(DRIVER)
                .withLibrariesIn("/usr/local/cuda/lib64")
                .environment
                .put("CHORALE_DEVICE", device);
        machine.properties.setProperty("org.bytedeco.javacpp.platform.extension", "");

        assertThat(machine.diagnosis().lines())
                .contains("CPU        ready", "GPU        not ready: the natives for GPUs are not used: " + words);
    }

    @Test
    void aDriverWhoseFilesAreNotShownMayStillBeThere() {
        machine.file("/dev/nvidiactl", "").file("/dev/nvidia3", "").file("/dev/nvidia-uvm", "");
        assertThat(machine.diagnosis().lines())
                .contains(
                        "driver     of an unknown version; CUDA 13 needs 580 or later",
                        "GPU 3      of an unknown model");
    }

    @Test
    void withoutNativesNothingCanBeTrained() {
        machine.classPath.clear();
        machine.properties.remove("org.bytedeco.javacpp.maxBytes");
        Diagnosis diagnosis = machine.diagnosis();

        assertThat(diagnosis.trains()).isFalse();
        assertThat(diagnosis.lines())
                .contains("flags      missing: -Dorg.bytedeco.javacpp.maxBytes=0", "natives    none on the class path")
                .anyMatch(line -> line.startsWith("CPU        not ready: the class path lacks org.bytedeco:pytorch"));
    }

    @Test
    void filesThatSayAnythingDoNoHarm() {
        machine.withGpu("NVRM version: NVIDIA Kernel Module  " + "9".repeat(70_000))
                .file("/proc/driver/nvidia/gpus/0000:02:00.0/information", "Device Minor: \t 99999999999\nModel:")
                .file("/proc/meminfo", "MemTotal: 99999999999999999999 kB")
                .file("/dev/nvidia99999999999", "")
                .file("/etc/ld.so.cache", "glibc-ld.so.cache1.1" + "\377".repeat(100));
        assertThat(machine.diagnosis().lines())
                .contains("memory     unknown, unknown available")
                .contains("driver     of an unknown version; CUDA 13 needs 580 or later");
    }
}
