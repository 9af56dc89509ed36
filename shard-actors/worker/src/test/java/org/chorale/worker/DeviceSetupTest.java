// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;
import org.chorale.training.Fp8Config;
import org.chorale.training.PrecisionConfig;
import org.chorale.training.shard.Precision;
import org.chorale.worker.DeviceConfig.Kind;
import org.junit.jupiter.api.Test;

final class DeviceSetupTest {
    private static final Fp8Config NONE = new Fp8Config(Fp8Config.Scaling.NONE, List.of(), List.of(), false);
    private static final PrecisionConfig FP32 = new PrecisionConfig(Precision.FP32, false, NONE);
    private static final PrecisionConfig TF32 = new PrecisionConfig(Precision.FP32, true, NONE);

    @Test
    void whatOnlyAGpuHeedsIsRefusedWhereTheCpuIsAskedFor() {
        assertThat(new DeviceSetup(new DeviceConfig(Kind.CPU, 0.5), TF32).problems())
                .satisfiesExactly(
                        problem -> assertThat(problem).startsWith("parallel.memory-fraction = 0.5: is of a GPU's"),
                        problem -> assertThat(problem).startsWith("tf32 = true: "));
        assertThat(new DeviceSetup(new DeviceConfig(Kind.CPU, 1), FP32).problems())
                .isEmpty();
    }

    @Test
    void autoIsRefusedWhereItFindsNoGpu() {
        DeviceSetup setup = new DeviceSetup(new DeviceConfig(Kind.AUTO, 0.5), TF32);
        assertThat(setup.problems()).isEmpty();
        assertThatThrownBy(() -> setup.apply(Device.CPU))
                .isInstanceOf(FaultException.class)
                .hasMessageContainingAll("parallel.memory-fraction = 0.5", "tf32 = true", "the CPU computes here");
        assertThatCode(() -> new DeviceSetup(new DeviceConfig(Kind.AUTO, 1), FP32).apply(Device.CPU))
                .doesNotThrowAnyException();
    }

    @Test
    void fp8IsRefusedOnAGpuThatDoesNotKnowIt() {
        Fp8Config tensor = new Fp8Config(Fp8Config.Scaling.TENSOR, List.of(), List.of(), false);
        DeviceSetup setup =
                new DeviceSetup(new DeviceConfig(Kind.CUDA, 1), new PrecisionConfig(Precision.BF16, false, tensor));
        assertThatThrownBy(() -> setup.requireFp8("cuda:1", 80))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("fp8.scaling = tensor: cuda:1 has compute capability 8.0, and FP8 needs 8.9");
        assertThatCode(() -> setup.requireFp8("cuda:1", 90)).doesNotThrowAnyException();
    }
}
