// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.Optional;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.collective.CollectiveException;
import org.chorale.tensor.device.DeviceTimeoutException;
import org.chorale.tensor.safetensors.InvalidFileException;
import org.chorale.tensor.safetensors.MissingFileException;
import org.chorale.training.contract.ContractException;
import org.chorale.training.pipeline.PipelineException;

/** The one place where exceptions become faults: what the modules without actors throw, under the stable codes. */
public final class FaultTranslation {
    private FaultTranslation() {}

    /** The fault that an exception stands for; whatever is not known is a bug of ours and says so. */
    public static Fault of(Throwable failure) {
        if (failure instanceof FaultException known) {
            return known.fault();
        } else if (failure instanceof InvalidFileException invalid) {
            return fault(FaultCode.FILE_MALFORMED, invalid);
        } else if (failure instanceof InvalidModelException invalid) {
            return fault(code(invalid.reason()), invalid);
        }
        Optional<DeviceOutOfMemory> lack = DeviceOutOfMemory.of(failure);
        if (lack.isPresent()) {
            return lack.get().fault();
        } else if (failure instanceof OutOfMemoryError || isNativeOutOfMemory(failure)) {
            return new Fault(
                    FaultCode.OUT_OF_MEMORY,
                    firstLine(failure)
                            + "; a smaller data.micro-batch, or model.recompute = selective or full, needs less");
        } else if (failure instanceof CollectiveException lost) {
            return fault(FaultCode.PEER_LOST, lost);
        } else if (failure instanceof DeviceTimeoutException hangs) {
            return fault(FaultCode.TIMED_OUT, hangs);
        } else if (failure instanceof PipelineException || failure instanceof ContractException) {
            return fault(FaultCode.CONFIG_INVALID, failure);
        } else if (failure instanceof MissingFileException missing) {
            return fault(FaultCode.FILE_MISSING, missing);
        } else if (failure instanceof UncheckedIOException wrapped && wrapped.getCause() != null) {
            Fault cause = of(wrapped.getCause());
            boolean saysMore = !wrapped.getCause().toString().equals(wrapped.getMessage());
            return saysMore ? fault(cause.code(), wrapped) : cause;
        } else if (failure instanceof IOException io) {
            return new Fault(code(io), io.getMessage() == null ? io.toString() : describe(io));
        }
        if (failure instanceof LinkageError) {
            return new Fault(
                    FaultCode.FILE_MISSING,
                    "libtorch could not be loaded (" + firstLine(failure)
                            + "): chorale doctor says what is missing. The class path needs org.bytedeco's pytorch, openblas"
                            + " and javacpp for linux-x86_64, and with a GPU the machine needs CUDA's libraries");
        }
        return new Fault(FaultCode.INTERNAL, failure.getClass().getName() + ": " + firstLine(failure));
    }

    private static Fault fault(FaultCode code, Throwable failure) {
        return new Fault(code, String.valueOf(failure.getMessage()));
    }

    private static FaultCode code(InvalidModelException.Reason reason) {
        return switch (reason) {
            case MALFORMED -> FaultCode.FILE_MALFORMED;
            case UNSUPPORTED -> FaultCode.MODEL_UNSUPPORTED;
            case MISMATCH -> FaultCode.MODEL_MISMATCH;
        };
    }

    private static FaultCode code(IOException failure) {
        if (failure instanceof FileAlreadyExistsException) {
            return FaultCode.OUTPUT_REFUSED;
        }
        return failure instanceof NoSuchFileException || failure instanceof AccessDeniedException
                ? FaultCode.FILE_MISSING
                : FaultCode.STORAGE_FAILED;
    }

    private static String describe(IOException failure) {
        String what = String.valueOf(failure.getMessage());
        if (failure instanceof NoSuchFileException && !what.contains(": ")) {
            return what + ": does not exist";
        }
        return failure instanceof AccessDeniedException ? what + ": may not be read by this user" : what;
    }

    private static boolean isNativeOutOfMemory(Throwable failure) {
        String message = String.valueOf(failure.getMessage());
        return message.contains("can't allocate memory") || message.contains("not enough memory");
    }

    private static String firstLine(Throwable failure) {
        return String.valueOf(failure.getMessage()).lines().findFirst().orElse("no message");
    }
}
