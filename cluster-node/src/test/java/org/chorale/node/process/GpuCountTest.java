// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.time.Duration;
import java.util.List;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Real processes, which say what a stub has them say, and one that asks libtorch. */
@Timeout(120)
final class GpuCountTest {
    private static final String HOST = "127.0.0.1";
    private static final Duration LIMIT = Duration.ofSeconds(60);

    @Test
    void gpusAreNamedInTheirOrderWhateverElseIsSaid() throws InterruptedException {
        assertThat(stub(StubGpuMain.COUNTS, LIMIT).names(HOST)).containsExactly("NVIDIA H200", "NVIDIA L4");
    }

    @Test
    void aProcessThatCannotLoadItsLibrariesIsToldWithWhatItSaid() {
        assertUnfit(stub(StubGpuMain.CRASHES, LIMIT), "exit code 3", "libcudart.so.13", "chorale doctor");
    }

    @Test
    void aListThatBreaksOffIsNotTakenForAShorterOne() {
        assertUnfit(stub(StubGpuMain.BREAKS_OFF, LIMIT), "cannot be counted", "chorale-gpu NVIDIA H200");
    }

    @Test
    void aDriverThatHangsIsNotAwaitedForEver() {
        assertUnfit(stub(StubGpuMain.HANGS, Duration.ofSeconds(1)), "not done after 1 s");
        assertThat(ProcessHandle.current().children()).noneMatch(GpuCountTest::isStub);
    }

    @Test
    void aMachineWithoutGpusHasNone() throws InterruptedException {
        assumeThat(Device.gpus()).isZero();
        assertThat(GpuCount.by(WorkerJvm.likeThis(1)).names(HOST)).isEmpty();
    }

    private static boolean isStub(ProcessHandle process) {
        return process.isAlive() && process.info().commandLine().orElse("").contains(StubGpuMain.class.getName());
    }

    private static void assertUnfit(GpuCount count, String... said) {
        assertThatThrownBy(() -> count.names(HOST))
                .isInstanceOfSatisfying(
                        FaultException.class,
                        unfit -> assertThat(unfit.fault().code()).isEqualTo(FaultCode.NODE_UNFIT))
                .hasMessageContainingAll(said);
    }

    private static GpuCount stub(String does, Duration limit) {
        List<String> flags = List.of("-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dstub=" + does);
        return GpuCount.in(
                new WorkerJvm(flags, System.getProperty("java.class.path"), StubGpuMain.class.getName(), 1), limit);
    }
}
