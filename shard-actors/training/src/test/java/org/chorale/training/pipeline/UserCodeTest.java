// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Device;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class UserCodeTest {
    private static final StackTraceElement JAVA =
            new StackTraceElement("java.util.Objects", "check", "Objects.java", 9);
    private static final StackTraceElement OURS =
            new StackTraceElement("org.chorale.training.pipeline.NamedTensors", "get", "NamedTensors.java", 3);
    private static final StackTraceElement USERS =
            new StackTraceElement("com.example.MyLoss", "compute", "MyLoss.java", 27);

    static Stream<Throwable> whatMayBeThrown() {
        return Stream.of(
                new IllegalStateException("no"),
                new StackOverflowError("no"),
                new AssertionError("no"),
                new NoSuchMethodError("no"));
    }

    @ParameterizedTest
    @MethodSource("whatMayBeThrown")
    void whateverIsThrownIsAProblemOfThePipelineWithItsPlace(Throwable thrown) {
        thrown.setStackTrace(new StackTraceElement[] {JAVA, OURS, USERS, OURS});

        assertThatThrownBy(() -> call(thrown))
                .isInstanceOf(PipelineException.class)
                .hasMessage("step 7, Loss MyLoss: failed with %s, at com.example.MyLoss.compute(MyLoss.java:27)"
                        .formatted(thrown))
                .hasCause(thrown);
    }

    @Test
    void withoutAFrameOfTheUsersNoPlaceIsTold() {
        IllegalStateException thrown = new IllegalStateException("first line\nsecond line");
        thrown.setStackTrace(new StackTraceElement[] {JAVA, OURS});

        assertThatThrownBy(() -> call(thrown))
                .hasMessage("step 7, Loss MyLoss: failed with java.lang.IllegalStateException: first line");
    }

    @Test
    void memoryThatIsShortIsNoFaultOfTheComponent() {
        OutOfMemoryError thrown = new OutOfMemoryError("Java heap space");

        assertThatThrownBy(() -> call(thrown)).isSameAs(thrown);
    }

    @Test
    void whatIsGivenIsPassedOn() {
        assertThat(call(() -> "given")).isEqualTo("given");
    }

    private static String call(Throwable thrown) {
        return call(() -> {
            if (thrown instanceof Error error) {
                throw error;
            }
            throw (RuntimeException) thrown;
        });
    }

    private static String call(Supplier<@Nullable String> component) {
        Context.Place place = new Context.Place(1, 7, new long[0], new Device("cpu"));
        try (Context context = new Context(place, name -> {
            throw new AssertionError(name);
        })) {
            return UserCode.call("Loss MyLoss", context, component);
        }
    }
}
