// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordedStackTrace;
import jdk.jfr.consumer.RecordingFile;

/**
 * How much of a thread's time is spent outside libtorch, from the JVM's own flight recorder: its samples of a thread in
 * Java code against those in native code. A sample in native code counts as libtorch's, the little that JavaCPP's glue
 * does there included.
 */
final class NativeShare {
    private static final String IN_JAVA = "jdk.ExecutionSample";
    private static final String IN_NATIVE = "jdk.NativeMethodSample";
    private static final Duration PERIOD = Duration.ofMillis(10);

    private NativeShare() {}

    /** Runs the work on this thread and gives the share of samples that fell into Java code, from 0 to 1. */
    static double outsideLibtorch(Runnable work) {
        String thread = Thread.currentThread().getName();
        try (Recording recording = new Recording()) {
            recording.enable(IN_JAVA).withPeriod(PERIOD);
            recording.enable(IN_NATIVE).withPeriod(PERIOD);
            recording.start();
            work.run();
            recording.stop();
            return share(samples(recording), thread);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<RecordedEvent> samples(Recording recording) throws IOException {
        Path file = Files.createTempFile("step-bench", ".jfr");
        try {
            recording.dump(file);
            return RecordingFile.readAllEvents(file);
        } finally {
            Files.delete(file);
        }
    }

    private static double share(List<RecordedEvent> samples, String thread) {
        long inJava = 0;
        long inNative = 0;
        for (RecordedEvent sample : samples) {
            if (thread.equals(sample.getThread("sampledThread").getJavaName())) {
                inJava += sample.getEventType().getName().equals(IN_JAVA) ? 1 : 0;
                inNative += isLibtorch(sample) ? 1 : 0;
            }
        }
        return (double) inJava / (inJava + inNative);
    }

    private static boolean isLibtorch(RecordedEvent sample) {
        RecordedStackTrace stack = sample.getStackTrace();
        if (!sample.getEventType().getName().equals(IN_NATIVE) || stack == null) {
            return false;
        }
        RecordedFrame top = stack.getFrames().get(0);
        return top.getMethod().getType().getName().startsWith("org.bytedeco.");
    }
}
