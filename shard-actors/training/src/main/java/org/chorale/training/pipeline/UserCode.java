// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import org.chorale.training.contract.ContractException;
import org.jspecify.annotations.Nullable;

/** Calls what users have written, so that whatever goes wrong in there is told with the step and the component. */
public final class UserCode {
    /** Whose frames of a stack tell a user nothing. */
    private static final List<String> NOT_USERS = List.of(
            "java.", "jdk.", "org.bytedeco.", "org.chorale.tensor.", "org.chorale.model.", "org.chorale.training.");

    private UserCode() {}

    /**
     * Calls a component.
     *
     * @param label what messages call the component
     * @throws PipelineException where it gives null, or throws anything but that memory is short
     */
    public static <T> T call(String label, Context context, Supplier<@Nullable T> component) {
        T given;
        try {
            given = component.get();
        } catch (ContractException e) {
            throw e;
        } catch (PipelineException e) {
            throw new PipelineException(where(label, context) + e.getMessage(), e);
        } catch (OutOfMemoryError e) {
            throw e;
        } catch (RuntimeException | Error e) { // an error would end the actor system, which may be an application's
            throw new PipelineException(where(label, context) + "failed with " + firstLine(e) + at(e), e);
        }
        if (given == null) {
            throw new PipelineException(where(label, context) + "gives null");
        }
        return given;
    }

    private static String where(String label, Context context) {
        return "step %d, %s: ".formatted(context.step(), label);
    }

    /** libtorch's messages go on with the native stack. */
    private static String firstLine(Throwable failure) {
        return failure.toString().lines().findFirst().orElse("");
    }

    /** The place in the user's own code that is nearest to the failure. */
    private static String at(Throwable failure) {
        return Arrays.stream(failure.getStackTrace())
                .filter(frame -> NOT_USERS.stream().noneMatch(frame.getClassName()::startsWith))
                .findFirst()
                .map(frame -> ", at " + frame)
                .orElse("");
    }
}
