// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import org.bytedeco.pytorch.LongArrayRefOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.training.kernel.SquaresKernel;

/** What clipping needs of a gradient: the square of its L2 norm, which the parts of several ranks add up to. */
public final class GradientNorm {
    private static final int NORM_ORDER = 2;

    private GradientNorm() {}

    /**
     * The sum of the squares of all elements, the same bits for the same buffers. Not finite where an element is not.
     * Waits for nothing.
     *
     * @param flats at least one, on one device, each [elements] in fp32 or bf16
     * @return [1] fp64 on the device of the flats, in the caller's scope
     */
    public static Tensor squares(List<Tensor> flats) {
        return SquaresKernel.takes(flats) ? SquaresKernel.squares(flats) : twin(flats);
    }

    /** The same by libtorch's own norms, whose squares are added up in fp64. */
    public static Tensor twin(List<Tensor> flats) {
        try (TensorScope scope = new TensorScope()) {
            TensorVector norms = new TensorVector();
            for (Tensor flat : flats) {
                norms.push_back(torch.linalg_vector_norm(
                        flat,
                        new Scalar(NORM_ORDER),
                        new LongArrayRefOptional(),
                        false,
                        new ScalarTypeOptional(ScalarType.Float)));
            }
            Tensor inDouble = torch.stack(norms).to(ScalarType.Double); // [flats]
            return scope.keep(inDouble.square_().sum().view(1));
        }
    }
}
