// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.document;

import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.chorale.node.config.RunFile;
import org.chorale.proto.fault.FaultException;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.worker.Feature;
import org.chorale.worker.Feature.Factor;
import org.chorale.worker.Features;
import org.chorale.worker.Features.Refusal;

/** deploy/reference/features.md: what goes with what, and why the rest does not, in the words that a user is told. */
final class FeaturesDocument {
    private static final String HEAD = """
            # What goes with what

            Made from `Features`, a class of the tests. Every two features of different lines either train together, in a
            row of `FeaturePairsTest` that compares several workers with one, or stand below with the reason for which a
            run is refused before it begins. `FamilyRanksTest` has each family besides on two and three workers in fp32,
            whole and with LoRA.

            | | features |
            | --- | --- |
            """;

    private static final String REFUSED = """

            ## What is refused

            | | with | reason |
            | --- | --- | --- |
            """;

    private static final String BESIDES = """

            Besides, of keys that are no feature above:

            | keys | reason |
            | --- | --- |
            """;

    private static final String RUN = "model.path = model\ndata.train.path = train.jsonl\n";

    /** A line each, of keys that do not go together. */
    private static final List<String> CLASHES = List.of(
            "model.recompute = auto, parallel.device = cpu",
            "model.recompute = auto, precision = bf16, fp8.scaling = tensor",
            "model.recompute = auto, pipeline.loss.type = CrossEntropyLoss",
            "precision = fp16, fp8.scaling = tensor",
            "precision = bf16, tf32 = true",
            "precision = bf16-true, optimizer.type = lion",
            "loss.preference.type = kto, loss.preference.reference = none",
            "loss.preference.type = dpo, loss.label-smoothing = 0.1",
            "loss.preference.type = dpo, pipeline.loss.type = CrossEntropyLoss",
            "loss.preference.type = dpo, evaluation.metric = exact-match",
            "loss.preference.type = dpo, data.truncation = split",
            "loss.label-smoothing = 0.1, pipeline.loss.type = CrossEntropyLoss",
            "data.packing = true, data.group-by-length = true",
            "parallel.workers = 3, parallel.mode = hybrid, parallel.shard-size = 2",
            "parallel.workers = 2, parallel.mode = replicate, parallel.reduce = micro-batch");

    private FeaturesDocument() {}

    static String text() {
        StringBuilder text = new StringBuilder(HEAD);
        for (Factor factor : Factor.values()) {
            String features = Features.of(factor).stream().map(Feature::name).collect(Collectors.joining(", "));
            text.append("| %s | %s |\n".formatted(factor.name().toLowerCase(Locale.ROOT), features));
        }
        text.append(REFUSED);
        for (Refusal refusal : Features.refusals()) {
            String keys = Features.keys(Features.with(refusal.one(), refusal.other()));
            text.append("| %s | %s | %s |\n".formatted(refusal.one(), refusal.other(), reason(keys)));
        }
        text.append(BESIDES);
        for (String keys : CLASHES) {
            text.append("| `%s` | %s |\n".formatted(keys, reason(keys)));
        }
        return text.toString();
    }

    private static String reason(String keys) {
        try {
            RunFile.resolve(ConfigFactory.parseString(RUN + keys), Path.of(""), LocalComponents.none());
        } catch (FaultException e) {
            return e.fault().message().replace("\n", "<br>").replace("|", "\\|");
        }
        throw new IllegalStateException("nothing is refused: " + keys);
    }
}
