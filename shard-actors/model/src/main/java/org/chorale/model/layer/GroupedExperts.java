// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * All experts at once: a {@link GroupedMatmul} for each matrix of a {@link GatedFeedForward}, over the rows of all, in
 * the place of a product for each expert. So the host need not know how many rows an expert has.
 *
 * <p>S slots, sorted by expert, D model width, F inner width. It saves, adds and rounds as an expert by itself does, but
 * that what an adapter adds is rounded before it is added.
 */
final class GroupedExperts implements ExpertWay {
    private final StackedLinears gateAndUp;
    private final StackedLinears down;
    private final Activation activation;

    private GroupedExperts(StackedLinears gateAndUp, StackedLinears down, Activation activation) {
        this.gateAndUp = gateAndUp;
        this.down = down;
        this.activation = activation;
    }

    /** Empty where the experts' linears are not all of one kind, or of one that is computed one by one. */
    static Optional<GroupedExperts> of(List<GatedFeedForward> experts) {
        Activation activation = experts.get(0).activation();
        if (experts.stream().anyMatch(expert -> expert.activation() != activation)) {
            return Optional.empty();
        }
        return StackedLinears.of(experts.stream()
                        .map(expert -> expert.gateAndUp().linears())
                        .toList())
                .flatMap(gateAndUp -> StackedLinears.of(experts.stream()
                                .map(expert -> List.of(expert.down()))
                                .toList())
                        .map(down -> new GroupedExperts(gateAndUp, down, activation)));
    }

    /** Whether the experts lie in memory so that this way can take them, and drop nothing. */
    boolean takes(@Nullable DropoutKeys dropout) {
        return gateAndUp.takes(dropout) && down.takes(dropout);
    }

    @Override
    public Tensor forward(Tensor rows, Routing routing, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope();
                Tape dropped = new Tape()) {
            GroupedMatmul products = products(rows, routing);
            Tensor both = gateAndUp.forward(rows, products, tape); // [S, 2F]
            tape.push(both);
            Tensor inner = activation.gated(GatedFeedForward.gate(both), GatedFeedForward.up(both)); // [S, F]
            return scope.keep(down.forward(inner, products, dropped));
        }
    }

    @Override
    public void again(Tensor rows, Routing routing, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            tape.push(gateAndUp.forward(rows, products(rows, routing), tape));
        }
    }

    /** The weight is moved to what down is given, as in {@link GatedFeedForward#weightedBackward}. */
    @Override
    public Tensor backward(
            Tensor dGiven, Weighing weighing, Tensor rows, Routing routing, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            GroupedMatmul products = products(rows, routing);
            Tensor both = tape.pop(); // [S, 2F]
            List<Tensor> dInners = down.innerGradients(dGiven, products);
            Tensor dWeighted = down.inputGradient(dGiven, dInners, products); // [S, F]
            Tensor weighted = activation.weightedBackward(
                    dWeighted,
                    GatedFeedForward.gate(both),
                    GatedFeedForward.up(both),
                    weighing.weights(),
                    weighing.gradient());
            down.addToGradients(dGiven, dInners, weighted, down.inners(weighted, products), products);
            return scope.keep(gateAndUp.backward(both, rows, products, tape));
        }
    }

    private GroupedMatmul products(Tensor rows, Routing routing) {
        return GroupedMatmul.of(rows, routing, gateAndUp.isAligned() && down.isAligned());
    }
}
