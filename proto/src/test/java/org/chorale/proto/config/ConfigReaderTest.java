// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ConfigReaderTest {
    enum Sampling {
        EVERY_ROW,
        NONE
    }

    record Every(
            int count,
            long many,
            double share,
            boolean on,
            String name,
            Path folder,
            Duration patience,
            Sampling sampling,
            Optional<Long> steps,
            Inner inner) {}

    record Inner(int maxDepth, Optional<Path> path) {
        Inner {
            if (maxDepth < 1) {
                throw new IllegalArgumentException("every.inner.max-depth = " + maxDepth + ": must be at least 1\n"
                        + "every.inner.path: means nothing at this depth");
            }
        }
    }

    private static final String GOOD = """
            every {
              count = 3, many = 4000000000, share = 0.5, on = true, name = Ada, folder = /data
              patience = 90 seconds, sampling = every-row, steps = 12
              inner { max-depth = 2, path = null }
            }
            """;

    @Test
    void everyTypeIsReadFromItsKebabKey() {
        assertThat(ConfigReader.read(GOOD, "every", Every.class))
                .isEqualTo(new Every(
                        3,
                        4_000_000_000L,
                        0.5,
                        true,
                        "Ada",
                        Path.of("/data"),
                        Duration.ofSeconds(90),
                        Sampling.EVERY_ROW,
                        Optional.of(12L),
                        new Inner(2, Optional.empty())));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    count = 1.5          | every.count = 1.5: must be a whole number
                    count = 9000000000   | every.count = 9000000000: must be a whole number
                    many = lots          | every.many = lots: must be a whole number
                    many = 1e30          | every.many = 1.0E30: must be a whole number
                    share = half         | every.share = half: must be a number
                    share = NaN          | every.share = NaN: must be a number
                    patience = 30        | every.patience = 30: must be a duration with its unit, such as 30 minutes
                    count = [1, 2]       | every.count = [1, 2]: must be a whole number
                    on = perhaps         | every.on = perhaps: must be true or false
                    name = null          | every.name is not set: give a text
                    folder = null        | every.folder is not set: give a path
                    patience = 3 parsecs | every.patience = 3 parsecs: must be a duration with its unit, such as 30 minutes
                    sampling = some      | every.sampling = some: must be one of every-row, none
                    steps = many         | every.steps = many: must be a whole number
                    inner.max-depth = 0  | every.inner.max-depth = 0: must be at least 1
                    """)
    void aWrongValueIsNamedWithWhatIsRight(String assignment, String problem) {
        ConfigReader reader = new ConfigReader(ConfigFactory.parseString(GOOD + "every { " + assignment + " }"));

        assertThat(reader.read("every", Every.class)).isEmpty();
        assertThat(reader.problems()).contains(problem);
    }

    @Test
    void allProblemsOfAllRecordsAreReportedAtOnce() {
        String bad = GOOD + "every { count = x, sampling = some, inner.max-depth = 0 }";

        assertThatThrownBy(() -> ConfigReader.read(bad, "every", Every.class))
                .isInstanceOfSatisfying(FaultException.class, e -> {
                    assertThat(e.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID);
                    assertThat(e.fault().message().lines())
                            .containsExactly(
                                    "every.count = x: must be a whole number",
                                    "every.sampling = some: must be one of every-row, none",
                                    "every.inner.max-depth = 0: must be at least 1",
                                    "every.inner.path: means nothing at this depth");
                });
    }

    @Test
    void aProblemThatNoRecordSeesIsKeptWithTheOthers() {
        ConfigReader reader = new ConfigReader(ConfigFactory.parseString("every.inner.max-depth = x"));
        reader.problem("run.stepz: is unknown");
        reader.read("every.inner", Inner.class);

        assertThat(reader.problems())
                .containsExactly("run.stepz: is unknown", "every.inner.max-depth = x: must be a whole number");
    }

    @Test
    void aTypeWithoutARuleIsOurMistakeAndNotTheUsers() {
        record Odd(Thread worker) {}

        assertThatIllegalStateException()
                .isThrownBy(() -> ConfigReader.read("worker = 1", "", Odd.class))
                .withMessageContaining("java.lang.Thread");
    }

    @Test
    void theDefaultsNameEverySection() {
        assertThat(ConfigReader.defaults().root().keySet())
                .contains("run", "model", "data", "optimizer", "checkpoint", "evaluation", "metrics", "parallel");
    }

    record Stage(String name, Optional<Integer> width) {}

    record Composed(List<String> names, List<Stage> stages, Map<String, Double> rates, Config free) {}

    @Test
    void listsMapsAndFreeObjectsAreRead() {
        Composed read = ConfigReader.read(
                "c { names = [a, b], stages = [{ name = x }, { name = y, width = 3 }], rates { q = 1.5, p = 2 }, free { z = 1 } }",
                "c",
                Composed.class);

        assertThat(read.names()).containsExactly("a", "b");
        assertThat(read.stages()).containsExactly(new Stage("x", Optional.empty()), new Stage("y", Optional.of(3)));
        assertThat(read.rates()).containsExactly(Map.entry("p", 2.0), Map.entry("q", 1.5));
        assertThat(read.free().getInt("z")).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "run { dir = ",
                "include \"application.conf\"",
                "include file(\"/etc/hostname\")",
                "include url(\"http://127.0.0.1:1/\")",
                "include classpath(\"reference.conf\")",
                "run.dir = ${HOME}"
            })
    void aConfigurationThatTravelledIsReadWithoutAnythingAroundIt(String runConf) {
        assertThatThrownBy(() -> ConfigReader.read(runConf, "run", Deep.class))
                .isInstanceOfSatisfying(
                        FaultException.class, e -> assertThat(e.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID))
                .hasMessageStartingWith("no resolved HOCON: ");
    }

    @Test
    void aProblemOfSyntaxNamesTheSource() {
        assertThatThrownBy(() -> ConfigReader.parse("their/run.conf", "run {\n dir = "))
                .isInstanceOf(FaultException.class)
                .hasMessageStartingWith("no resolved HOCON: their/run.conf: 2: ");
    }

    @Test
    void aConfigurationThatIsNestedTooDeeplyIsRefused() {
        assertThatThrownBy(() -> ConfigReader.read("a = " + "[".repeat(1_000_000), "run", Deep.class))
                .isInstanceOf(FaultException.class);
    }

    record Deep(String dir) {}

    @Test
    void everyMistakeInAListOrMapIsNamedByItsPlace() {
        assertThatThrownBy(() -> ConfigReader.read(
                        "c { names = a, stages = [{ name = x, widht = 2 }, { width = wide }], rates { q = fast }, free = 3 }",
                        "c",
                        Composed.class))
                .hasMessageContainingAll(
                        "c.names = a: must be a list",
                        "c.stages[0].widht: there is no such key, there are name, width",
                        "c.stages[1].name is not set: give a text",
                        "c.stages[1].width = wide: must be a whole number",
                        "c.rates.q = fast: must be a number",
                        "c.free = 3: must be an object");
    }
}
