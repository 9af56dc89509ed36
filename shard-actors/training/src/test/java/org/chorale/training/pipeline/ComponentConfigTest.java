// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.chorale.training.loss.CompositeLoss;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.loss.L1Loss;
import org.chorale.training.loss.MseLoss;
import org.chorale.training.loss.UncertaintyWeightedLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A class name in a configuration is untrusted: it is loaded, checked, and only then initialised and made. */
public final class ComponentConfigTest {
    private static final String HERE = ComponentConfigTest.class.getName() + "$";
    private static final AtomicInteger initialised = new AtomicInteger();

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "no.such.Stage|is not on the class path",
                "NoSuchLoss|is not on the class path",
                "java.lang.String|is no PreProcessor",
                "org.chorale.training.loss.MseLoss|is no PreProcessor",
                HERE_ABSTRACT + "|is no PreProcessor that can be made: it is abstract",
                HERE_WITHOUT + "|has no public constructor from a com.typesafe.config.Config",
                HERE_PICKY + "|does not take its config: depth = 7: must be below 5",
                HERE_BROKEN + "|cannot be made: java.lang.IllegalStateException: out of order",
                HERE_STRICT + "|does not take its config: "
            })
    void whatCannotBeMadeIsRefusedWithKeyClassAndReason(String type, String reason) {
        ComponentConfig config = new ComponentConfig(type, Optional.of(ConfigFactory.parseString("depth = 7")));
        assertThatThrownBy(() -> config.build("pipeline.preprocess[3]", PreProcessor.class))
                .isInstanceOf(PipelineException.class)
                .hasMessageStartingWith("pipeline.preprocess[3]: " + type + " " + reason);
    }

    @Test
    void aClassThatIsNoComponentIsNotEvenInitialised() {
        ComponentConfig config = new ComponentConfig(HERE + "Loud", Optional.empty());
        assertThatThrownBy(() -> config.build("k", PreProcessor.class)).hasMessageContaining("is no PreProcessor");
        assertThat(initialised).hasValue(0);
    }

    @Test
    void whatOnlyThisProcessHasIsNotPortable() {
        PreProcessor lambda = (batch, context) -> batch;
        PreProcessor anonymous = new PreProcessor() {
            @Override
            public NamedTensors process(NamedTensors batch, Context context) {
                return batch;
            }
        };
        assertThat(ComponentConfig.isPortable(lambda)).isFalse();
        assertThat(ComponentConfig.isPortable(anonymous)).isFalse();
        assertThat(ComponentConfig.isPortable(new Without())).isFalse();
        assertThat(ComponentConfig.isPortable(new MseLoss())).isTrue();
        assertThatThrownBy(() -> ComponentConfig.of(lambda).build("pipeline.preprocess[0]", PreProcessor.class))
                .hasMessageStartingWith("pipeline.preprocess[0]: (lambda) exists only in the process");
    }

    @Test
    void everyLossOfOursIsMadeAnewFromItsOwnConfiguration() {
        LossCalculator loss = CompositeLoss.of(
                new CrossEntropyLoss()
                        .masked("mask")
                        .with(new CrossEntropySettings(0.1, 1e-4))
                        .declaring("-> loss:0"),
                0.5,
                UncertaintyWeightedLoss.of(new MseLoss("a", "b").masked("m"), new L1Loss("c", "d")),
                2);
        Config config = loss.config();
        LossCalculator again =
                new ComponentConfig("CompositeLoss", Optional.of(config)).build("pipeline.loss", LossCalculator.class);
        assertThat(again.config()).isEqualTo(config);
        assertThat(again.parts())
                .hasSize(3)
                .extracting(LossCalculator.Part::weight)
                .containsExactly(0.5, 2.0, 2.0);
        assertThat(again.parameters())
                .extracting(LearnableParameter::name)
                .containsExactly("log_variance.MseLoss", "log_variance.L1Loss");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "CrossEntropyLoss|maskk = x|there is no key maskk",
                "CrossEntropyLoss|label-smoothing = 1|label-smoothing = 1.0: must be from 0 to below 1",
                "CompositeLoss|x = 1|terms",
                "CompositeLoss|terms = []|0 terms: there must be 1 to 1000",
                "CompositeLoss|terms = [{ type = Nope }]|terms[0]: Nope is not on the class path",
                "CompositeLoss|terms = [{ type = MseLoss, weight = many }]|weight"
            })
    void aLossNamesWhatItDoesNotTake(String type, String config, String problem) {
        ComponentConfig named = new ComponentConfig(type, Optional.of(ConfigFactory.parseString(config)));
        assertThatThrownBy(() -> named.build("pipeline.loss", LossCalculator.class))
                .isInstanceOf(PipelineException.class)
                .hasMessageStartingWith("pipeline.loss: ")
                .hasMessageContaining(problem);
    }

    private static final String PACKAGE = "org.chorale.training.pipeline.ComponentConfigTest$";
    private static final String HERE_ABSTRACT = PACKAGE + "Abstract";
    private static final String HERE_WITHOUT = PACKAGE + "Without";
    private static final String HERE_PICKY = PACKAGE + "Picky";
    private static final String HERE_BROKEN = PACKAGE + "Broken";
    private static final String HERE_STRICT = PACKAGE + "Strict";

    /** Not of the kind, and loud about being initialised. */
    public static final class Loud {
        static {
            initialised.incrementAndGet();
        }
    }

    public abstract static class Abstract implements PreProcessor {
        protected Abstract(Config config) {}
    }

    public static class Without implements PreProcessor {
        @Override
        public NamedTensors process(NamedTensors batch, Context context) {
            return batch;
        }
    }

    public static final class Picky extends Without {
        public Picky(Config config) {
            throw new IllegalArgumentException("depth = " + config.getInt("depth") + ": must be below 5");
        }
    }

    public static final class Broken extends Without {
        public Broken(Config config) {
            throw new IllegalStateException("out of order");
        }
    }

    public static final class Strict extends Without {
        public Strict(Config config) {
            config.getString("width");
        }
    }
}
