// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

/** A pipeline that cannot be built or run as it is; the message says what its author has to change. */
public final class PipelineException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public PipelineException(String problem) {
        super(problem);
    }

    public PipelineException(String problem, Throwable cause) {
        super(problem, cause);
    }
}
