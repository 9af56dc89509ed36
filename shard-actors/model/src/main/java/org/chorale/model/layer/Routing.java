// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.StringViewOptional;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.kernel.SlotSumKernel;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Which rows of a pass go to which experts. In the open scope, as is everything that its methods make.
 *
 * <p>R rows, E experts, k of them for each row, S = R·k slots. Slot r·k + j is row r at its j-th expert; sorted slots lie
 * expert by expert, and in the order of the rows at each.
 *
 * <p>How many slots each expert has stays on the device until the host asks: on a GPU it waits there, once.
 */
final class Routing {
    private static final long[] COLUMNS = {1};

    private final Tensor probabilities; // [R, E], in fp32 at least
    private final Tensor experts; // [R, k] int64, the most probable first
    private final Tensor order; // [S] int64: the slot that is at each sorted place
    private final Tensor ends; // [E] int32: where each expert's slots end
    private int @Nullable []
            limits; // where those of each expert begin, and at last where all end; null until asked for

    private Routing(Tensor probabilities, Tensor experts, Tensor order, Tensor ends) {
        this.probabilities = probabilities;
        this.experts = experts;
        this.order = order;
        this.ends = ends;
    }

    /** @param probabilities [R, E] */
    static Routing of(Tensor probabilities, int chosen) {
        T_TensorTensor_T top = torch.topk(probabilities, chosen, 1, true, true);
        Tensor experts = new Tensor(top.get1()); // [R, k], which outlives the pair
        Tensor slots = experts.view(-1);
        Tensor order = torch.argsort(slots, true, 0, false);
        Tensor numbers = torch.arange(new Scalar(probabilities.size(1)), slots.options()); // [E]
        Tensor ends = torch.searchsorted(
                slots.index_select(0, order), numbers, true, true, new StringViewOptional(), new TensorOptional());
        return new Routing(probabilities, experts, order, ends);
    }

    /** For the backward, which does not wait where the forward did. */
    void push(Tape tape) {
        Tensor known = limits == null
                ? ends
                : HostTensors.ofInts(Arrays.copyOfRange(limits, 1, limits.length), limits.length - 1);
        tape.push(probabilities, experts, order, known);
    }

    static Routing pop(Tape tape) {
        Tensor ends = tape.pop();
        Tensor order = tape.pop();
        Tensor experts = tape.pop();
        return new Routing(tape.pop(), experts, order, ends);
    }

    Tensor probabilities() {
        return probabilities;
    }

    Tensor experts() {
        return experts;
    }

    /** [E] int32: behind the last sorted slot of each expert, where the rows are. */
    Tensor ends() {
        return ends;
    }

    /** Slots of an expert, on the host. */
    int count(int expert) {
        int[] known = limits();
        return known[expert + 1] - known[expert];
    }

    /** An expert's part of what lies by sorted slots, [S, …]. */
    Tensor part(Tensor sorted, int expert) {
        return sorted.narrow(0, limits()[expert], count(expert));
    }

    long[] part(long[] sorted, int expert) {
        return Arrays.copyOfRange(sorted, limits()[expert], limits()[expert + 1]);
    }

    private int[] limits() {
        int[] known = limits;
        if (known == null) {
            known = new int[(int) ends.numel() + 1];
            try (TensorScope scope = new TensorScope()) {
                ends.cpu().<IntBuffer>createBuffer().get(known, 1, known.length - 1);
            }
            limits = known;
        }
        return known;
    }

    /** [S] int64: the row of each sorted slot. */
    Tensor rows() {
        return order.floor_divide(new Scalar(experts.size(1)));
    }

    /** Likewise; on a GPU this waits for the device. */
    long[] rowsOnHost() {
        try (TensorScope scope = new TensorScope()) {
            long[] rows = new long[(int) order.numel()];
            rows().cpu().<LongBuffer>createBuffer().get(rows);
            return rows;
        }
    }

    /** [S] int64: the sorted place of each slot. */
    private Tensor places() {
        Tensor numbers = torch.arange(new Scalar(order.numel()), order.options());
        return torch.empty_like(order).scatter_(0, order, numbers);
    }

    /** [R, k] → [S, 1] by sorted slots */
    Tensor sorted(Tensor byRow) {
        return byRow.view(-1).index_select(0, order).unsqueeze(1);
    }

    /** [S, 1] by sorted slots → [R, k] */
    Tensor byRow(Tensor sorted) {
        return sorted.view(-1).index_select(0, places()).view_as(experts);
    }

    /**
     * The sum of each row's slots, in their order, taken in fp32 at least: [S, D] by sorted slots → [R, D].
     *
     * @param weights [R, k] that they are multiplied by; null for 1
     */
    Tensor sumOfRows(Tensor sorted, @Nullable Tensor weights) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(SlotSumKernel.of(sorted).sums(sorted, places().view_as(experts), weights));
        }
    }

    /** What each row's experts are multiplied by, [R, k]. */
    Tensor weights(boolean normalised) {
        Tensor own = probabilities.gather(1, experts);
        return normalised ? own.div_(total(own)) : own;
    }

    /**
     * The gradient of the probabilities by way of the weights, [R, E].
     *
     * @param dWeights [R, k]
     */
    Tensor probabilityGradient(Tensor weights, Tensor dWeights, boolean normalised) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dChosen = normalised
                    ? dWeights.sub(total(dWeights.mul(weights))).div_(total(probabilities.gather(1, experts)))
                    : dWeights;
            return scope.keep(torch.zeros_like(probabilities).scatter_(1, experts, dChosen));
        }
    }

    /** [R, 1] */
    private static Tensor total(Tensor ofRow) {
        return ofRow.sum(COLUMNS, true, new ScalarTypeOptional());
    }
}
