// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.function.Supplier;
import org.chorale.training.contract.ContractException;
import org.jspecify.annotations.Nullable;

/** Calls what users have written, so that whatever goes wrong in there is told with the step and the component. */
public final class UserCode {
    private UserCode() {}

    /**
     * Calls a component.
     *
     * @param label what messages call the component
     * @throws PipelineException where it throws anything, or gives null
     */
    public static <T> T call(String label, Context context, Supplier<@Nullable T> component) {
        T given;
        try {
            given = component.get();
        } catch (ContractException e) {
            throw e;
        } catch (PipelineException e) {
            throw new PipelineException(where(label, context) + e.getMessage(), e);
        } catch (RuntimeException | LinkageError e) {
            throw new PipelineException(where(label, context) + "failed with " + firstLine(e), e);
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
}
