// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/** Passes a worker's lines on to this process's log, with the worker's place in front, and remembers the last of them. */
final class WorkerLog implements Consumer<String> {
    private static final Logger LOG = LoggerFactory.getLogger("worker");
    private static final int REMEMBERED_LINES = 8;
    private static final int REMEMBERED_CHARS = 400; // of each line

    private final String place;
    private final Deque<String> last = new ArrayDeque<>();
    private Level level = Level.WARN;

    WorkerLog(String place) {
        this.place = place;
    }

    /**
     * A line begins with its level, as worker-log.xml has it. Of the others, a stack trace belongs to the line before, and
     * what native code says of its own accord is seldom good news.
     */
    @Override
    public void accept(String line) {
        String text = line;
        int space = line.indexOf(' ');
        Level named = space < 0 ? null : level(line.substring(0, space));
        if (named != null) {
            level = named;
            text = line.substring(space).strip();
        } else if (!line.startsWith("\t") && !line.startsWith("Caused by: ")) {
            level = Level.WARN;
        }
        LOG.atLevel(level).log("{}: {}", place, text);
        remember(text);
    }

    private static @org.jspecify.annotations.Nullable Level level(String word) {
        for (Level level : Level.values()) {
            if (level.name().equals(word)) {
                return level;
            }
        }
        return null;
    }

    private synchronized void remember(String line) {
        if (line.isBlank()) {
            return;
        }
        if (last.size() == REMEMBERED_LINES) {
            last.removeFirst();
        }
        last.addLast(line.length() > REMEMBERED_CHARS ? line.substring(0, REMEMBERED_CHARS) + "…" : line);
    }

    /** The last lines, oldest first; empty where nothing was said. */
    synchronized String lastWords() {
        return String.join("\n", last);
    }
}
