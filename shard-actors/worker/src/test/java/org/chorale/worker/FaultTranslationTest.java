// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.collective.CollectiveException;
import org.chorale.tensor.device.DeviceTimeoutException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every exception that a user can cause has a code of its own; the rest says that it is our bug. */
final class FaultTranslationTest {
    static Stream<Arguments> exceptionsAndTheirFaults() {
        return Stream.of(
                Arguments.of(
                        new FaultException(FaultCode.DATA_EMPTY, "train.jsonl: no row"),
                        FaultCode.DATA_EMPTY,
                        "train.jsonl: no row"),
                Arguments.of(
                        new InvalidModelException(Reason.MALFORMED, Path.of("m/config.json"), "is not JSON"),
                        FaultCode.FILE_MALFORMED,
                        "m/config.json: is not JSON"),
                Arguments.of(
                        new InvalidModelException(Reason.UNSUPPORTED, Path.of("m/config.json"), "model_type = x"),
                        FaultCode.MODEL_UNSUPPORTED,
                        "m/config.json: model_type = x"),
                Arguments.of(
                        new InvalidModelException(Reason.MISMATCH, Path.of("m"), "shape"),
                        FaultCode.MODEL_MISMATCH,
                        "m: shape"),
                Arguments.of(
                        new UncheckedIOException(new NoSuchFileException("m/tokenizer.json")),
                        FaultCode.FILE_MISSING,
                        "m/tokenizer.json: does not exist"),
                Arguments.of(
                        new UncheckedIOException(new FileSystemException("run", null, "No space left on device")),
                        FaultCode.STORAGE_FAILED,
                        "run: No space left on device"),
                Arguments.of(
                        new UncheckedIOException("out: could not be written", new IOException("File too large")),
                        FaultCode.STORAGE_FAILED,
                        "out: could not be written"),
                Arguments.of(
                        new CollectiveException("allGather from rank 3: lost"),
                        FaultCode.PEER_LOST,
                        "allGather from rank 3: lost"),
                Arguments.of(
                        new DeviceTimeoutException(Duration.ofMinutes(2)),
                        FaultCode.TIMED_OUT,
                        "the device has not finished within 120 s"),
                Arguments.of(new UnsatisfiedLinkError("no jnitorch"), FaultCode.FILE_MISSING, "linux-x86_64"),
                Arguments.of(new IOException("Broken pipe"), FaultCode.STORAGE_FAILED, "Broken pipe"),
                Arguments.of(new OutOfMemoryError("Java heap space"), FaultCode.OUT_OF_MEMORY, "data.micro-batch"),
                Arguments.of(
                        new RuntimeException("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes\nmore"),
                        FaultCode.OUT_OF_MEMORY,
                        "you tried 8 bytes; a smaller"),
                Arguments.of(
                        new IllegalStateException("impossible"),
                        FaultCode.INTERNAL,
                        "java.lang.IllegalStateException: impossible"));
    }

    @ParameterizedTest
    @MethodSource("exceptionsAndTheirFaults")
    void eachHasItsCodeAndKeepsItsWords(Throwable failure, FaultCode code, String words) {
        assertThat(FaultTranslation.of(failure).code()).isEqualTo(code);
        assertThat(FaultTranslation.of(failure).message()).contains(words);
    }
}
