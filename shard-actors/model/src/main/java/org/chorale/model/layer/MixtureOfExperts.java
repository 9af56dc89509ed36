// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * A feed-forward network of which each row takes some parts (Shazeer et al. 2017, arXiv 1701.06538; Jiang et al. 2024,
 * arXiv 2401.04088):
 *
 * <pre>
 * p = softmax(router x)            over the E experts, in fp32 at least
 * y = Σ w_e · expert_e(x)          over the k experts with the largest p; w = p, or p ÷ Σ p of those k
 * </pre>
 *
 * <p>R rows, D model width, S = R·k slots: a row at one of its experts. Slots are sorted by expert, so that each expert
 * works on rows that lie together; what they give is gathered back row by row and added up in the order of each row's
 * probabilities, which is the same every time. An expert without rows does nothing, and its gradients stay as they are.
 *
 * <p>How many rows each expert has is read on the host, which launches its products: on a GPU each layer's forward waits
 * for the device once (and once more where an expert's adapter drops inputs). The backward does not.
 */
public final class MixtureOfExperts implements FeedForward {
    private static final long[] COLUMNS = {1};

    private final Linear router;
    private final List<GatedFeedForward> experts;
    private final int chosen;
    private final boolean normalised;

    /**
     * @param router D inputs, E outputs
     * @param experts E networks without biases
     * @param chosen k
     * @param normalised whether the weights of a row's experts add up to 1
     */
    public MixtureOfExperts(Linear router, List<GatedFeedForward> experts, int chosen, boolean normalised) {
        this.router = router;
        this.experts = List.copyOf(experts);
        this.chosen = chosen;
        this.normalised = normalised;
    }

    @Override
    public boolean trainable() {
        return router.trainable() || experts.stream().anyMatch(GatedFeedForward::trainable);
    }

    /** As if every row were sent to the experts whose adapters save the most. */
    @Override
    public long savedForAdapters() {
        long most = experts.stream()
                .mapToLong(GatedFeedForward::savedForAdapters)
                .max()
                .orElse(0);
        return router.savedWidth() + chosen * most;
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Routing routing = route(x, context.dropout(), tape);
            if (context.balance() != null) {
                context.balance().count(routing.probabilities(), routing.experts());
            }
            Tensor rows = x.index_select(0, routing.rows()); // [S, D]
            Tensor given = torch.empty_like(rows);
            RowKeys keys = keys(context.dropout(), routing);
            for (int expert = 0; expert < experts.size(); expert++) {
                if (routing.count(expert) > 0) {
                    try (TensorScope ofExpert = new TensorScope()) {
                        Tensor own = routing.part(rows, expert);
                        routing.part(given, expert).copy_(experts.get(expert).forward(own, keys.of(expert), tape));
                    }
                }
            }
            routing.push(tape);
            return scope.keep(routing.sumOfRows(given, routing.weights(normalised)));
        }
    }

    @Override
    public void again(Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Routing routing = route(x, context.dropout(), tape);
            Tensor rows = x.index_select(0, routing.rows()); // [S, D]
            RowKeys keys = keys(context.dropout(), routing);
            for (int expert = 0; expert < experts.size(); expert++) {
                if (routing.count(expert) > 0) {
                    experts.get(expert).again(routing.part(rows, expert), keys.of(expert), tape);
                }
            }
            routing.push(tape);
        }
    }

    @Override
    public Tensor backward(Tensor dy, Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Routing routing = Routing.pop(tape);
            Tensor weights = routing.weights(normalised); // [R, k]
            Tensor dWeights = torch.empty_like(weights);
            Tensor dx = throughExperts(dy, x, routing, new Weighing(weights, dWeights), context.dropout(), tape);
            Tensor dProbabilities = routing.probabilityGradient(weights, dWeights, normalised);
            if (context.balance() != null) {
                context.balance().addTo(dProbabilities);
            }
            Tensor dLogits = throughSoftmax(dProbabilities, routing.probabilities());
            return scope.keep(dx.add_(router.backward(dLogits.to(x.scalar_type()), x, context.dropout(), tape)));
        }
    }

    /**
     * The gradient of x by way of the experts.
     *
     * @param weighing whose gradients are written
     */
    private Tensor throughExperts(
            Tensor dy, Tensor x, Routing routing, Weighing weighing, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor rows = x.index_select(0, routing.rows()); // [S, D]
            Tensor dGiven = dy.index_select(0, routing.rows()); // [S, D]
            Tensor weights = routing.sorted(weighing.weights()); // [S, 1]
            Tensor dWeights = torch.empty_like(weights);
            RowKeys keys = keys(dropout, routing);
            for (int expert = experts.size() - 1; expert >= 0; expert--) { // the last has saved last
                if (routing.count(expert) > 0) {
                    try (TensorScope ofExpert = new TensorScope()) {
                        Tensor own = routing.part(rows, expert);
                        Tensor dOwn = routing.part(dGiven, expert);
                        dOwn.copy_(experts.get(expert)
                                .weightedBackward(
                                        dOwn,
                                        routing.part(weights, expert),
                                        routing.part(dWeights, expert),
                                        own,
                                        keys.of(expert),
                                        tape));
                    }
                }
            }
            weighing.gradient().copy_(routing.byRow(dWeights));
            return scope.keep(routing.sumOfRows(dGiven, null));
        }
    }

    /** What the experts' results are multiplied by, and its gradient: [R, k] both. */
    private record Weighing(Tensor weights, Tensor gradient) {}

    /** In the open scope; saves what the router's adapter makes of x. */
    private Routing route(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        Tensor logits = Wide.of(router.forward(x, dropout, tape)); // [R, E]
        return Routing.of(logits.softmax(1), chosen);
    }

    /** dlogits = p · (dp − Σ p·dp), [R, E] */
    private static Tensor throughSoftmax(Tensor dProbabilities, Tensor probabilities) {
        Tensor mean = probabilities.mul(dProbabilities).sum(COLUMNS, true, new ScalarTypeOptional()); // [R, 1]
        return dProbabilities.sub_(mean).mul_(probabilities);
    }

    /** The keys of each expert's rows. */
    @FunctionalInterface
    private interface RowKeys {
        @Nullable
        DropoutKeys of(int expert);
    }

    private RowKeys keys(@Nullable DropoutKeys dropout, Routing routing) {
        if (dropout == null || experts.stream().noneMatch(expert -> expert.drops(dropout))) {
            return expert -> null;
        }
        long[] rows = routing.rowsOnHost();
        return expert -> dropout.select(routing.part(rows, expert));
    }
}
