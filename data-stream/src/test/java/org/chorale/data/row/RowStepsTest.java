// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RowStepsTest {
    private static final String KEY = "data.train.sources[0]";

    private static Map<String, @Nullable Object> row() {
        Map<String, @Nullable Object> row = new LinkedHashMap<>();
        row.put("question", "Why is it so?");
        row.put("lang", "en");
        row.put("score", 2.5);
        row.put("votes", 7L);
        row.put("huge", new BigInteger("123456789012345678901234567890"));
        row.put("source", null);
        row.put("good", true);
        row.put("two words", "x");
        row.put("tags", List.of("a", "b"));
        row.put("messages", List.of(Map.of("role", "user", "content", "Hi"), Map.of("role", "assistant")));
        return row;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '→', quoteCharacter = '~', textBlock = """
                    size(question) > 10 && lang == 'en' → true
                    question.contains('not') || lang in ['de', 'fr'] → false
                    question.matches('^Why.*[?]$') → true
                    score > 2 → true
                    score >= 3 → false
                    votes == 7 && score * 2.0 == 5.0 → true
                    source == null → true
                    good → true
                    row['two words'] == 'x' → true
                    'answer' in row → false
                    has(row.lang) && !has(row.answer) → true
                    messages.exists(m, m.role == 'assistant') → true
                    messages[0].content.size() == 2 → true
                    size(messages) == 2 && tags.all(t, size(t) == 1) → true
                    question.lowerAscii().startsWith('why') → true
                    'answer' in row && answer == 'x' → false
                    """)
    void aFilterKeepsWhatItIsTrueFor(String filter, boolean kept) throws RowRefusedException {
        assertThat(filtering(filter).judged(row())).isEqualTo(kept ? Optional.of(row()) : Optional.empty());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '→', quoteCharacter = '~', textBlock = """
                    size(question > 3 → column 18: missing ')'
                    size(question) > 'a' → column 16: found no matching overload for '_>_' applied to '(int, string)'
                    exec('rm') → column 5: undeclared reference to 'exec'
                    size(question) → gives a int; must give true or false
                    'a' + 'b' → gives a string; must give true or false
                    java.lang.System.exit(1) → undeclared reference to 'exit'
                    question.getClass() == 1 → undeclared reference to 'getClass'
                    """)
    void whatIsNoFilterIsRefusedWithTheExpressionAndThePlace(String filter, String problem) {
        assertThat(config(filter).problems(KEY))
                .singleElement()
                .asString()
                .startsWith("%s.filter = \"%s\": ".formatted(KEY, filter))
                .contains(problem)
                .doesNotContain("candidates");
    }

    @Test
    void allProblemsAreToldAtOnceEachWithItsKey() {
        RowStepsConfig config = new RowStepsConfig(
                Optional.of("1 +"), List.of(), Map.of("prompt", "(", "text", "'a' + 1"), List.of("a", "b", "a"));
        assertThat(config.problems(KEY))
                .hasSize(4)
                .anyMatch(problem -> problem.startsWith(KEY + ".filter = \"1 +\": column 4: "))
                .anyMatch(problem -> problem.startsWith(KEY + ".map.prompt = \"(\": column 2: "))
                .anyMatch(problem -> problem.startsWith(KEY + ".map.text = \"'a' + 1\": column 5: "))
                .contains(KEY + ".select = [a, b, a]: has a twice");
        assertThatThrownBy(() -> config.build(KEY)).hasMessage(String.join("\n", config.problems(KEY)));
    }

    @Test
    void mapSetsColumnsFromTheRowAsItWasAndSelectKeepsSome() throws RowRefusedException {
        RowSteps steps = new RowStepsConfig(
                        Optional.of("votes > 1"),
                        List.of(),
                        Map.of(
                                "prompt",
                                "'Question: ' + question",
                                "question",
                                "lang",
                                "n",
                                "votes + 1",
                                "none",
                                "source"),
                        List.of("prompt", "question", "n", "none", "tags"))
                .build(KEY);
        Map<String, @Nullable Object> changed = steps.judged(row()).orElseThrow();
        assertThat(changed.keySet()).containsExactly("prompt", "question", "n", "none", "tags");
        assertThat(changed)
                .containsEntry("prompt", "Question: Why is it so?")
                .containsEntry("question", "en")
                .containsEntry("n", 8L)
                .containsEntry("none", null)
                .containsEntry("tags", List.of("a", "b"));
        assertThat(steps.changed(row())).isEqualTo(changed);
    }

    @Test
    void aRowThatWasKeptIsNotJudgedAgain() throws RowRefusedException {
        assertThat(filtering("votes > 100").changed(row())).isEqualTo(row());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '→', quoteCharacter = '~', textBlock = """
                    answer == 'x' → the row has no column answer; it has question, lang, score, votes, huge, source, good
                    question < 3 → No matching overload for function '_<_'.
                    question → gives neither true nor false
                    tags[7] == 'a' → Index out of bounds: 7
                    huge > 3 → No matching overload
                    1 / (votes - 7) == 1 → / by zero
                    """)
    void aRowOnWhichAFilterFailsIsRefusedWithTheExpression(String filter, String problem) {
        assertThatThrownBy(() -> filtering(filter).judged(row()))
                .isInstanceOf(RowRefusedException.class)
                .hasMessageStartingWith("%s.filter = \"%s\": ".formatted(KEY, filter))
                .hasMessageContaining(problem);
    }

    @Test
    void whatARowCannotHoldIsRefused() {
        assertThatThrownBy(() -> mapping("b'ab'").judged(row())).hasMessageContaining("must give a text, a number");
        assertThatThrownBy(() -> mapping("{1: 2}").judged(row())).hasMessageContaining("a key that is no text: 1");
        assertThatThrownBy(() -> new RowStepsConfig(Optional.empty(), List.of(), Map.of(), List.of("answer"))
                        .build(KEY)
                        .judged(row()))
                .hasMessageStartingWith(KEY + ".select: the row has no column answer");
    }

    @Test
    void anExpressionCannotRunForLongNorNestDeeply() {
        String loop = "tags.all(a, tags.all(b, tags.all(c, tags.all(d, a == a))))";
        Map<String, @Nullable Object> many = Map.of(
                "tags", IntStream.range(0, 200).boxed().map(Integer::longValue).toList());
        assertThatThrownBy(() -> filtering(loop).judged(many))
                .hasMessageContaining("Iteration budget exceeded: 100000");
        String deep = "(".repeat(100) + "true" + ")".repeat(100);
        assertThat(config(deep).problems(KEY)).singleElement().asString().contains("recursion");
        assertThat(config("true" + " || true".repeat(2000)).problems(KEY))
                .singleElement()
                .asString()
                .contains("exceeds");
        Map<String, @Nullable Object> text = Map.of("text", "a".repeat(40));
        assertThatThrownBy(() -> filtering("text.matches('(a?){900}{900}')").judged(text))
                .isInstanceOf(RowRefusedException.class);
    }

    @Test
    void manyColumnsAreNotAllNamed() {
        Map<String, @Nullable Object> wide = IntStream.range(0, 1000)
                .boxed()
                .collect(Collectors.toMap(i -> "c" + i, i -> (Object) 1L, (a, b) -> a, LinkedHashMap::new));
        assertThatThrownBy(() -> filtering("answer").judged(wide))
                .hasMessageContaining("c19, …")
                .hasMessageNotContaining("c20");
    }

    @Test
    void anotherStepHasAnotherIdentity() {
        List<RowStepsConfig> all = List.of(
                RowStepsConfig.NONE,
                config("good"),
                config("!good"),
                new RowStepsConfig(Optional.empty(), List.of(), Map.of("a", "good"), List.of()),
                new RowStepsConfig(Optional.empty(), List.of(), Map.of("b", "good"), List.of()),
                new RowStepsConfig(Optional.empty(), List.of(), Map.of(), List.of("good")),
                new RowStepsConfig(
                        Optional.empty(), List.of(users(LongQuestions.class, "min = 3")), Map.of(), List.of()),
                new RowStepsConfig(
                        Optional.empty(), List.of(users(LongQuestions.class, "min = 4")), Map.of(), List.of()));
        assertThat(all.stream().map(config -> config.build(KEY).identity())).doesNotHaveDuplicates();
        assertThat(config("good").build(KEY).identity())
                .isEqualTo(filtering("good").identity());
    }

    @Test
    void usersClassesStandBetweenFilterAndMapInTheirOrder() throws RowRefusedException {
        RowStepsConfig config = new RowStepsConfig(
                Optional.empty(),
                List.of(users(Shout.class, ""), users(LongQuestions.class, "min = 14")),
                Map.of("prompt", "question"),
                List.of("prompt"));
        assertThat(config.build(KEY).judged(row())).contains(Map.of("prompt", "Why is it so?!"));
        Map<String, @Nullable Object> shorter = row();
        shorter.put("question", "Why?");
        assertThat(config.build(KEY).judged(shorter)).isEmpty();
        assertThat(config.build(KEY).changed(shorter)).isEqualTo(Map.of("prompt", "Why?!"));
    }

    @Test
    void aUsersClassThatCannotBeMadeIsRefusedByItsName() {
        Map<Object, String> problems = Map.of(
                "com.example.MyFilter",
                "com.example.MyFilter is not on the class path",
                String.class.getName(),
                "java.lang.String must implement one of",
                Both.class.getName(),
                "must implement one of",
                WithoutConstructor.class.getName(),
                "has no public constructor from a com.typesafe.config.Config",
                LongQuestions.class.getName(),
                "does not take its config: ");
        problems.forEach((type, problem) -> {
            RowStepsConfig config = new RowStepsConfig(
                    Optional.empty(), List.of(new RowClass((String) type, Optional.empty())), Map.of(), List.of());
            assertThat(config.problems(KEY)).as("where it is only submitted").isEmpty();
            assertThat(config.classProblems(KEY))
                    .singleElement()
                    .asString()
                    .startsWith(KEY + ".transform[0]: ")
                    .contains(problem);
        });
    }

    @Test
    void aUsersClassThatFailsMakesTheRowMalformed() {
        RowStepsConfig config = new RowStepsConfig(
                Optional.empty(), List.of(users(LongQuestions.class, "min = 1")), Map.of(), List.of());
        assertThatThrownBy(() -> config.build(KEY).judged(Map.of("lang", "en")))
                .isInstanceOf(RowRefusedException.class)
                .hasMessageStartingWith(
                        KEY + ".transform[0]: " + LongQuestions.class.getName() + " fails on the row: ");
        assertThatThrownBy(() -> new RowStepsConfig(
                                Optional.empty(), List.of(users(Spoiler.class, "")), Map.of(), List.of())
                        .build(KEY)
                        .judged(row()))
                .hasMessageContaining("UnsupportedOperationException");
    }

    private static RowStepsConfig config(String filter) {
        return new RowStepsConfig(Optional.of(filter), List.of(), Map.of(), List.of());
    }

    private static RowSteps filtering(String filter) {
        return config(filter).build(KEY);
    }

    private static RowSteps mapping(String expression) {
        return new RowStepsConfig(Optional.empty(), List.of(), Map.of("text", expression), List.of()).build(KEY);
    }

    private static RowClass users(Class<?> type, String config) {
        return new RowClass(type.getName(), Optional.of(ConfigFactory.parseString(config)));
    }

    /** A user's filter. */
    public static final class LongQuestions implements RowFilter {
        private final int min;

        public LongQuestions(Config config) {
            min = config.getInt("min");
        }

        @Override
        public boolean keeps(Map<String, @Nullable Object> row) {
            return String.valueOf(java.util.Objects.requireNonNull(row.get("question")))
                            .length()
                    >= min;
        }
    }

    /** A user's map. */
    public static final class Shout implements RowMap {
        public Shout(Config config) {}

        @Override
        public Map<String, @Nullable Object> map(Map<String, @Nullable Object> row) {
            Map<String, @Nullable Object> loud = new LinkedHashMap<>(row);
            loud.put("question", row.get("question") + "!");
            return loud;
        }
    }

    /** Changes what it may not. */
    public static final class Spoiler implements RowMap {
        public Spoiler(Config config) {}

        @Override
        public Map<String, @Nullable Object> map(Map<String, @Nullable Object> row) {
            row.clear();
            return row;
        }
    }

    /** Neither the one nor the other. */
    public abstract static class Both implements RowMap, RowFilter {}

    /** Takes no configuration. */
    public static final class WithoutConstructor implements RowFilter {
        @Override
        public boolean keeps(Map<String, @Nullable Object> row) {
            return Arrays.asList(row).isEmpty();
        }
    }
}
