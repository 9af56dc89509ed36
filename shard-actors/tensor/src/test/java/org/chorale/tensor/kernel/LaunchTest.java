// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.kernel.Kernel.Loaded;
import org.junit.jupiter.api.Test;

class LaunchTest {
    private final Launch launch = new Launch();

    private static Loaded taking(Integer... bytes) {
        return new Loaded("scale", new CUfunc_st(), List.of(bytes));
    }

    @Test
    void eachArgumentLiesInItsOwnEightBytes() {
        launch.begin(taking(8, 4, 4, 8, 8))
                .count(1L << 40)
                .index(-3)
                .number(0.5f)
                .optional(null)
                .real(0.1);
        assertThat(launch.values().getLong(0)).isEqualTo(1L << 40);
        assertThat(launch.values().getInt(8)).isEqualTo(-3);
        assertThat(launch.values().getFloat(16)).isEqualTo(0.5f);
        assertThat(launch.values().getLong(24)).isZero();
        assertThat(launch.values().getDouble(32)).isEqualTo(0.1);
    }

    @Test
    void anArgumentOfAnotherSizeIsRefused() {
        launch.begin(taking(8, 4)).count(1);
        assertThatThrownBy(() -> launch.count(2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("argument 2 of scale is none of 8 bytes: it takes [8, 4]");
    }

    @Test
    void oneArgumentTooManyOrTooFewIsRefused() {
        launch.begin(taking(4)).index(1);
        assertThatThrownBy(() -> launch.index(2)).isInstanceOf(IllegalArgumentException.class);
        launch.begin(taking(4, 4)).index(1);
        assertThatThrownBy(() -> launch.run(1, 32)).hasMessage("scale takes 2 arguments, not 1");
    }

    @Test
    void aTensorOfTheHostIsRefusedInsteadOfReadByTheGpu() {
        try (TensorScope scope = new TensorScope()) {
            launch.begin(taking(8));
            assertThatThrownBy(() -> launch.tensor(HostTensors.zeros(ScalarType.Float, 2)))
                    .hasMessage("argument 1 of scale does not lie on a GPU");
        }
    }

    @Test
    void noBlocksAreNoLaunch() {
        launch.begin(taking(4)).index(1).run(0, 32);
        launch.begin(taking(4)).index(1).run(7, 0, 32);
        assertThatThrownBy(() -> launch.index(1)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aLaunchThatAnotherCameBetweenIsRefused() {
        Launch first = launch.begin(taking(4, 4)).index(1);
        launch.begin(taking(4)).index(2).run(0, 32);
        assertThatThrownBy(() -> first.index(3)).hasMessageContaining("another launch came between");
    }
}
