// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.remote.artery.RemoteInstrument;

/**
 * Counts what an actor system sends to others and receives from them, by class; Pekko calls it for every message on the
 * wire. Where the system property {@link #FILE} is set, the counts are written there when the JVM ends.
 */
public final class MessageCount extends RemoteInstrument {
    static final String FILE = "chorale.bench.messages";

    private static final byte IDENTIFIER = 31; // the last that Pekko leaves to others

    /** Pekko makes an instance for each of its streams. */
    private static final Map<String, LongAdder> COUNTS = new ConcurrentHashMap<>();

    static {
        String file = System.getProperty(FILE);
        if (file != null) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> write(Path.of(file))));
        }
    }

    /** Called by Pekko, which finds the class in {@code pekko.remote.artery.advanced.instruments}. */
    public MessageCount() {}

    private static void write(Path file) {
        String text = new TreeMap<>(COUNTS)
                .entrySet().stream()
                        .map(entry -> "%s %d%n"
                                .formatted(entry.getKey(), entry.getValue().sum()))
                        .collect(Collectors.joining());
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void count(String direction, Object message) {
        COUNTS.computeIfAbsent(direction + " " + message.getClass().getSimpleName(), name -> new LongAdder())
                .increment();
    }

    @Override
    public byte identifier() {
        return IDENTIFIER;
    }

    @Override
    public void remoteMessageSent(ActorRef recipient, Object message, ActorRef sender, int size, long time) {
        count("sent", message);
    }

    @Override
    public void remoteMessageReceived(ActorRef recipient, Object message, ActorRef sender, int size, long time) {
        count("received", message);
    }

    @Override
    public void remoteWriteMetadata(ActorRef recipient, Object message, ActorRef sender, ByteBuffer buffer) {}

    @Override
    public void remoteReadMetadata(ActorRef recipient, Object message, ActorRef sender, ByteBuffer buffer) {}
}
