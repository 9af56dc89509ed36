// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.fp8.Fp8Matmul.Sums;
import org.chorale.model.fp8.ScaledRuns.Run;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What eight bits make of numbers; the twin is what the kernels are compared with. */
final class QuantiseKernelTest {
    private final QuantiseKernel kernel = QuantiseKernel.twin();
    private TensorScope scope;

    @BeforeEach
    @SuppressWarnings("MustBeClosedChecker") // closed after each test
    void openScope() {
        torch.manual_seed(29);
        scope = new TensorScope();
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }

    @ParameterizedTest
    @CsvSource({
        "E4M3, 448, 1, 1", // the scale is 1: the values are the format's own
        "E4M3, 448, 17, 16",
        "E4M3, 448, 19, 20",
        "E4M3, 448, -21, -20",
        "E4M3, 448, 0.0009765625, 0", // half of the smallest number: to the even 0
        "E4M3, 448, 0.001953125, 0.001953125",
        "E5M2, 57344, 9, 8",
        "E5M2, 57344, 11, 12",
        "E5M2, 57344, 0.0000152587890625, 0.0000152587890625",
        "E4M3, 896, 34, 32", // the scale is 1/2
        "E4M3, 7, 7, 7" // the largest becomes the format's largest, and comes back
    })
    void aNumberIsRoundedToTheNearestAndATieToTheEvenOne(
            Fp8Format format, double largest, double given, double expected) {
        Tensor x = row(largest, given);
        assertThat(wide(kernel.rows(x, kernel.largest(x), format)).get(0).get(1).item_double())
                .isEqualTo(expected);
        assertThat(wide(kernel.eachRow(x, format)).get(0).get(1).item_double()).isEqualTo(expected);
    }

    @ParameterizedTest
    @EnumSource
    void zerosStayZeros(Fp8Format format) {
        Tensor x = row(0, 0);
        assertThat(wide(kernel.rows(x, kernel.largest(x), format)).abs().max().item_double())
                .isZero();
        assertThat(wide(kernel.eachRow(x, format)).abs().max().item_double()).isZero();
    }

    @ParameterizedTest
    @EnumSource
    void theLargestValueOfAnyScaleIsNotCutOff(Fp8Format format) {
        Tensor x = torch.randn(64, 32).mul_(Scalars.of(1e-3)).to(ScalarType.BFloat16);
        Tensor largest = kernel.largest(x);
        Tensor there = wide(kernel.rows(x, largest, format));
        double step = format == Fp8Format.E4M3 ? 0x1p-4 : 0x1p-3; // half of a last place
        assertThat(there.abs().max().item_double())
                .isCloseTo(largest.item_double(), org.assertj.core.data.Percentage.withPercentage(1e-4));
        Tensor error = there.sub(x.to(ScalarType.Double)).abs();
        Tensor allowed = x.to(ScalarType.Double)
                .abs()
                .mul(Scalars.of(step))
                .add(Scalars.of(largest.item_double() / format.largest() * 0x1p-6));
        assertThat(error.le(allowed).all().item_bool()).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"NaN", "Infinity", "-Infinity"})
    void aValueThatIsNotFiniteSpoilsWhatIsMadeOfIt(double broken) {
        Tensor x = row(3, broken);
        Tensor ones = torch.ones(16, 16).to(ScalarType.BFloat16);
        Fp8Matrix plain = kernel.rows(ones, kernel.largest(ones), Fp8Format.E4M3);
        Tensor product =
                Fp8Matmul.of(kernel.rows(x, kernel.largest(x), Fp8Format.E5M2), plain, ScalarType.BFloat16, Sums.EXACT);
        assertThat(product.isfinite().any().item_bool()).isFalse();
        Tensor byRow = Fp8Matmul.of(
                kernel.eachRow(x, Fp8Format.E4M3),
                kernel.eachRow(ones, Fp8Format.E4M3),
                ScalarType.BFloat16,
                Sums.EXACT);
        assertThat(byRow.isfinite().any().item_bool()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"1", "16", "21"})
    void columnsAreTheRowsOfTheTransposeWithZerosBehind(long rows) {
        Tensor wider = torch.randn(rows, 48).to(ScalarType.BFloat16);
        Tensor x = wider.narrow(1, 16, 32); // a part of wider rows
        Tensor largest = kernel.largest(x);
        QuantiseKernel.Both both = kernel.both(x, largest, Fp8Format.E5M2);
        Tensor columns = wide(both.columns());
        assertThat(columns.shape()).containsExactly(32, (rows + 15) / 16 * 16);
        assertThat(columns.narrow(1, 0, rows).t().equal(wide(both.rows()))).isTrue();
        long beyond = columns.size(1) - rows;
        assertThat(columns.narrow(1, rows, beyond).abs().sum().item_double()).isZero();
        assertThat(wide(kernel.rows(x, largest, Fp8Format.E5M2)).equal(wide(both.rows())))
                .isTrue();
        assertThat(wide(kernel.columns(x, largest, Fp8Format.E5M2)).equal(columns))
                .isTrue();
    }

    @Test
    void eachRowHasAScaleOfItsOwn() {
        Tensor x = torch.cat(new org.bytedeco.pytorch.TensorVector(row(448, 3), row(1e-3, 1e-3)), 0);
        Fp8Matrix rows = kernel.eachRow(x, Fp8Format.E4M3);
        assertThat(rows.inverse().shape()).containsExactly(2, 1);
        assertThat(rows.inverse().get(0).item_double()).isEqualTo(1);
        assertThat(wide(rows).get(1).get(0).item_double())
                .isEqualTo(x.get(1).get(0).item_double());
        assertThat(wide(kernel.rows(x, kernel.largest(x), Fp8Format.E4M3))
                        .get(1)
                        .get(0)
                        .item_double())
                .as("with one scale the small row drowns")
                .isNotEqualTo(x.get(1).get(0).item_double());
    }

    @Test
    void aMatrixTurnedInFp8IsTheOneMadeOfItsColumns() {
        Tensor x = torch.randn(32, 48).to(ScalarType.BFloat16);
        Tensor largest = kernel.largest(x);
        Fp8Matrix turned = kernel.transposed(kernel.rows(x, largest, Fp8Format.E4M3));
        assertThat(turned.values().shape()).containsExactly(48, 32);
        assertThat(turned.values().is_contiguous()).isTrue();
        assertThat(wide(turned).equal(wide(kernel.columns(x, largest, Fp8Format.E4M3))))
                .isTrue();
    }

    @ParameterizedTest
    @EnumSource(names = {"Float", "BFloat16"})
    void partsThatAreScaledTogetherBecomeWhatTheWholeBecomes(ScalarType type) {
        try (HeldTensors owner = new HeldTensors()) {
            Tensor matrix = torch.randn(32, 16).to(type);
            Tensor flat = matrix.view(512);
            Tensor bits = HostTensors.zeros(ScalarType.Long, 2);
            List<Tensor> parts = List.of(flat.narrow(0, 0, 200), flat.narrow(0, 200, 312));
            List<ScaledRuns> runs = parts.stream()
                    .map(part -> ScaledRuns.of(List.of(new Run(0, part.numel(), 1)), Device.CPU, owner))
                    .toList();
            Tensor bytes = HostTensors.zeros(ScalarType.Byte, 512).view(Fp8Format.E4M3.type());
            for (int i = 0; i < 2; i++) {
                kernel.addLargest(parts.get(i), runs.get(i), bits);
            }
            kernel.quantise(parts.get(0), runs.get(0), bits, bytes.narrow(0, 0, 200));
            kernel.quantise(parts.get(1), runs.get(1), bits, bytes.narrow(0, 200, 312));
            Tensor inverses = HostTensors.zeros(ScalarType.Float, 2, QuantiseKernel.INVERSE_LANES);
            kernel.invert(bits, inverses);
            Tensor whole = matrix.to(ScalarType.BFloat16);
            Fp8Matrix expected = kernel.rows(whole, kernel.largest(whole), Fp8Format.E4M3);
            assertThat(wide(new Fp8Matrix(bytes.view(32, 16), inverses.get(1).narrow(0, 0, 1)))
                            .equal(wide(expected)))
                    .isTrue();
            assertThat(bits.get(0).item_long())
                    .as("a scale that nothing here has")
                    .isZero();
        }
    }

    @Test
    void aLargestValueThatIsNoNumberStaysTheLargestOfAll() {
        try (HeldTensors owner = new HeldTensors()) {
            Tensor bits = HostTensors.zeros(ScalarType.Long, 1);
            ScaledRuns runs = ScaledRuns.of(List.of(new Run(0, 16, 0)), Device.CPU, owner);
            for (double number : new double[] {1, Double.NaN, Double.POSITIVE_INFINITY, 2}) {
                kernel.addLargest(row(number, 0.5).view(16), runs, bits);
            }
            assertThat(Float.intBitsToFloat((int) bits.item_long())).isNaN();
        }
    }

    /** [1, 16]: two numbers, and zeros. */
    private static Tensor row(double first, double second) {
        double[] values = new double[16];
        values[0] = first;
        values[1] = second;
        return HostTensors.ofDoubles(values, 1, 16).to(ScalarType.BFloat16);
    }

    private static Tensor wide(Fp8Matrix matrix) {
        return matrix.values().to(ScalarType.Float).mul(matrix.inverse()).to(ScalarType.Double);
    }
}
