// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.chorale.data.example.UnusableExampleException;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** Translates what is thrown in this module into what is told to others. */
final class DataFaults {
    private DataFaults() {}

    static Fault of(Throwable thrown) {
        Throwable cause = thrown;
        while ((cause instanceof CompletionException || cause instanceof ExecutionException)
                && cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (cause instanceof FaultException fault) {
            return fault.fault();
        } else if (cause instanceof UnusableExampleException) {
            return new Fault(FaultCode.DATA_MALFORMED, String.valueOf(cause.getMessage()));
        } else if (cause instanceof OutOfMemoryError) {
            return new Fault(FaultCode.OUT_OF_MEMORY, "the feeder's Java heap is full: " + cause.getMessage());
        }
        return new Fault(FaultCode.INTERNAL, "the feeder failed: " + cause);
    }
}
