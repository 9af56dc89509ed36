// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import com.typesafe.config.ConfigFactory;
import java.util.List;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.StepReport;
import org.chorale.proto.wire.UnitOutline;

/** Small runs for tests: ten examples in batches of two are five steps an epoch. */
final class Runs {
    static final ModelOutline MODEL = ModelOutline.newBuilder()
            .setFamily("llama")
            .setVocabulary(100)
            .setContextTokens(64)
            .setConfigSha256("cfg")
            .addUnits(UnitOutline.newBuilder()
                    .setName("root")
                    .addParameters(ParameterOutline.newBuilder()
                            .setName("embedding")
                            .addAllShape(List.of(100L, 8L))
                            .setHeldDtype("F32")
                            .setTrainable(true)))
            .build();

    static final DataFacts DATA = new DataFacts(10, 5, 0, 4, 100, "abc");

    private Runs() {}

    /** The terms of a run whose settings differ from the defaults in these lines. */
    static RunTerms terms(String... lines) {
        return RunTerms.read(conf(lines));
    }

    static String conf(String... lines) {
        String base = "run.dir = runs/test\ndata.global-batch = 2\ndata.sequence-tokens = 16\n";
        return ConfigFactory.parseString(base + String.join("\n", lines))
                .withFallback(ConfigReader.defaults())
                .root()
                .render();
    }

    static StepReport step(long step, boolean skipped) {
        return StepReport.newBuilder()
                .setStep(step)
                .setSkipped(skipped)
                .setLossNats(1.0 / step)
                .setSeconds(0.5)
                .addSamples(2 * step - 2)
                .addSamples(2 * step - 1)
                .build();
    }
}
