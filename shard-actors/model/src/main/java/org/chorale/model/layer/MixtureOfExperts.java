// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.layer.ExpertWay.Weighing;
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
 * <p>The experts are computed all at once where they are alike and lie evenly spaced in memory, see {@link GroupedExperts},
 * and else one by one, see {@link EachExpert}: then the host waits for the device in each layer's forward.
 */
public final class MixtureOfExperts implements FeedForward {
    /** The most that a backward takes at once for what it adds to a gradient. */
    public static final long ADDEND_BYTES = 256L << 20;

    private static final long[] COLUMNS = {1};

    private final Linear router;
    private final List<GatedFeedForward> experts;
    private final ExpertWay each;
    private final Optional<GroupedExperts> grouped;
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
        this.each = new EachExpert(this.experts);
        this.grouped = GroupedExperts.of(this.experts);
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
            Tensor given = way(context.dropout()).forward(rows, routing, context.dropout(), tape);
            routing.push(tape);
            return scope.keep(routing.sumOfRows(given, routing.weights(normalised)));
        }
    }

    @Override
    public void again(Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Routing routing = route(x, context.dropout(), tape);
            Tensor rows = x.index_select(0, routing.rows()); // [S, D]
            way(context.dropout()).again(rows, routing, context.dropout(), tape);
            routing.push(tape);
        }
    }

    @Override
    public Tensor backward(Tensor dy, Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Routing routing = Routing.pop(tape);
            Tensor weights = routing.weights(normalised); // [R, k]
            Tensor sorted = routing.sorted(weights); // [S, 1]
            Weighing weighing = new Weighing(sorted, torch.empty_like(sorted));
            Tensor dx = throughExperts(dy, x, routing, weighing, context.dropout(), tape);
            Tensor dWeights = routing.byRow(weighing.gradient()); // [R, k]
            Tensor dProbabilities = routing.probabilityGradient(weights, dWeights, normalised);
            if (context.balance() != null) {
                context.balance().addTo(dProbabilities);
            }
            Tensor dLogits = throughSoftmax(dProbabilities, routing.probabilities());
            return scope.keep(dx.add_(router.backward(dLogits.to(x.scalar_type()), x, context.dropout(), tape)));
        }
    }

    /** The gradient of x by way of the experts, [R, D]. */
    private Tensor throughExperts(
            Tensor dy, Tensor x, Routing routing, Weighing weighing, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor ofSlots = routing.rows(); // [S]
            Tensor rows = x.index_select(0, ofSlots); // [S, D]
            Tensor dGiven = dy.index_select(0, ofSlots); // [S, D]
            Tensor dRows = way(dropout).backward(dGiven, weighing, rows, routing, dropout, tape);
            return scope.keep(routing.sumOfRows(dRows, null));
        }
    }

    /** The same in a forward and its backward: layout and keys are the same then. */
    ExpertWay way(@Nullable DropoutKeys dropout) {
        return grouped.filter(all -> all.takes(dropout))
                .map(ExpertWay.class::cast)
                .orElse(each);
    }

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
}
