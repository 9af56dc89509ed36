// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The linears of all experts that read the same rows, and what adapters add to them, computed for all experts at once.
 *
 * <p>S slots, I inputs, O outputs of those that lie side by side, r rank of an adapter.
 */
final class StackedLinears {
    private final List<List<Linear>> linears; // E lists of those side by side
    private final StackedParameters weight; // [E, O, I]
    private final List<Adapter> adapters; // of those side by side that have one

    /**
     * The adapters of one linear in all experts.
     *
     * @param number of the linear among those side by side
     * @param down A, [E, r, I]
     * @param up B, [E, O of that linear, r]
     */
    private record Adapter(int number, StackedParameters down, StackedParameters up, double scale) {}

    private StackedLinears(List<List<Linear>> linears, List<Adapter> adapters) {
        this.linears = linears;
        this.weight = stacked(linears.stream().map(ofExpert -> ofExpert.stream().map(Linear::weight)));
        this.adapters = adapters;
    }

    /**
     * Empty where some multiply FP8 factors or have magnitudes, or the experts' adapters differ in rank or scale.
     *
     * @param linears E lists of those side by side, without biases
     */
    static Optional<StackedLinears> of(List<List<Linear>> linears) {
        boolean apart = linears.stream()
                .flatMap(List::stream)
                .anyMatch(linear -> linear.fp8Scaling() != null
                        || (linear.adapter() != null && linear.adapter().magnitude() != null));
        int sideBySide = linears.get(0).size();
        if (apart || linears.stream().anyMatch(ofExpert -> ofExpert.size() != sideBySide)) {
            return Optional.empty();
        }
        List<Adapter> adapters = new ArrayList<>();
        for (int number = 0; number < sideBySide; number++) {
            int own = number;
            List<LowRank> ofExperts = linears.stream()
                    .flatMap(ofExpert -> Stream.ofNullable(ofExpert.get(own).adapter()))
                    .toList();
            if (!ofExperts.isEmpty() && !isUniform(ofExperts, linears.size())) {
                return Optional.empty();
            }
            if (!ofExperts.isEmpty()) {
                adapters.add(adapter(number, ofExperts));
            }
        }
        return Optional.of(new StackedLinears(linears, adapters));
    }

    private static boolean isUniform(List<LowRank> adapters, int experts) {
        LowRank first = adapters.get(0);
        return adapters.size() == experts
                && adapters.stream()
                        .allMatch(adapter -> adapter.rank() == first.rank() && adapter.scale() == first.scale());
    }

    private static Adapter adapter(int number, List<LowRank> ofExperts) {
        return new Adapter(
                number,
                stacked(ofExperts.stream().map(adapter -> Stream.of(adapter.down()))),
                stacked(ofExperts.stream().map(adapter -> Stream.of(adapter.up()))),
                ofExperts.get(0).scale());
    }

    private static StackedParameters stacked(Stream<Stream<Parameter>> experts) {
        return new StackedParameters(experts.map(Stream::toList).toList());
    }

    /** Whether the parameters of all experts can be read as one, and no adapter drops inputs. */
    boolean takes(@Nullable DropoutKeys dropout) {
        return stacks().allMatch(StackedParameters::isEven)
                && linears.stream().flatMap(List::stream).noneMatch(linear -> linear.drops(dropout));
    }

    /** Whether all matrices lie as {@link StackedParameters#isAligned} says. */
    boolean isAligned() {
        return stacks().allMatch(StackedParameters::isAligned);
    }

    private Stream<StackedParameters> stacks() {
        return Stream.concat(
                Stream.of(weight), adapters.stream().flatMap(adapter -> Stream.of(adapter.down, adapter.up)));
    }

    /** [S, I] → [S, O]; saves what the adapters make of x on their way, nothing where there are none. */
    Tensor forward(Tensor x, GroupedMatmul products, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor y = products.of(x, weight.values().transpose(1, 2)); // [S, O]
            for (Adapter adapter : adapters) {
                Tensor inner = inner(adapter, x, products);
                tape.push(inner);
                Tensor added = products.of(inner, adapter.up.values().transpose(1, 2));
                outputs(y, adapter).add_(added, Scalars.of(adapter.scale));
            }
            return scope.keep(y);
        }
    }

    /** The backward of a forward onto a tape: adds to all gradients and gives that of x, [S, I]. */
    Tensor backward(Tensor dy, Tensor x, GroupedMatmul products, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] inners = new Tensor[adapters.size()];
            for (int i = inners.length - 1; i >= 0; i--) { // the last was saved last
                inners[i] = tape.pop();
            }
            List<Tensor> dInners = innerGradients(dy, products);
            addToGradients(dy, dInners, x, List.of(inners), products);
            return scope.keep(inputGradient(dy, dInners, products));
        }
    }

    /** What each adapter makes of x on its way, [S, r]; in the open scope. */
    List<Tensor> inners(Tensor x, GroupedMatmul products) {
        return adapters.stream().map(adapter -> inner(adapter, x, products)).toList();
    }

    private static Tensor inner(Adapter adapter, Tensor x, GroupedMatmul products) {
        return products.of(x, adapter.down.values().transpose(1, 2));
    }

    /** The gradients of those, scaled; in the open scope. */
    List<Tensor> innerGradients(Tensor dy, GroupedMatmul products) {
        return adapters.stream()
                .map(adapter ->
                        products.of(outputs(dy, adapter), adapter.up.values()).mul_(Scalars.of(adapter.scale)))
                .toList();
    }

    /** The part of a backward that does not read x: its gradient, [S, I]. */
    Tensor inputGradient(Tensor dy, List<Tensor> dInners, GroupedMatmul products) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dx = products.of(dy, weight.values());
            for (int i = 0; i < adapters.size(); i++) {
                dx.add_(products.of(dInners.get(i), adapters.get(i).down.values()));
            }
            return scope.keep(dx);
        }
    }

    /** The part that reads x: adds to the gradients of weights and adapters. */
    void addToGradients(Tensor dy, List<Tensor> dInners, Tensor x, List<Tensor> inners, GroupedMatmul products) {
        weight.addGradientProducts(products, dy, x, 1);
        for (int i = 0; i < adapters.size(); i++) {
            Adapter adapter = adapters.get(i);
            adapter.up.addGradientProducts(products, outputs(dy, adapter), inners.get(i), adapter.scale);
            adapter.down.addGradientProducts(products, dInners.get(i), x, 1);
        }
    }

    /** The columns of the linear that an adapter belongs to. */
    private Tensor outputs(Tensor y, Adapter adapter) {
        List<Linear> sideBySide = linears.get(0);
        long from = IntStream.range(0, adapter.number)
                .mapToLong(number -> sideBySide.get(number).outputs())
                .sum();
        return y.narrow(1, from, sideBySide.get(adapter.number).outputs());
    }
}
