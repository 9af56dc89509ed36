// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.disk.Sha256;
import org.jspecify.annotations.Nullable;

/**
 * A user's class that filters or changes rows: an entry of {@code transform} of a source.
 *
 * @param type the class: a {@link RowFilter} or a {@link RowMap}
 * @param config what its constructor takes
 */
public record RowClass(String type, Optional<Config> config) {
    /**
     * Makes the step.
     *
     * @param key where in the configuration it stands
     * @throws IllegalArgumentException where it cannot be made, with the reason
     */
    RowStep build(String key) {
        Class<?> found = find(key);
        String identity = identity(found);
        Object made = instance(key, found);
        return made instanceof RowFilter filter
                ? new UsersFilter(key, identity, filter)
                : new UsersChange(key, identity, (RowMap) made);
    }

    private Object instance(String key, Class<?> found) {
        if (RowFilter.class.isAssignableFrom(found) == RowMap.class.isAssignableFrom(found)) {
            throw refused(
                    key,
                    "must implement one of %s and %s".formatted(RowFilter.class.getName(), RowMap.class.getName()),
                    null);
        } else if (Modifier.isAbstract(found.getModifiers())) {
            throw refused(key, "cannot be made: it is abstract", null);
        }
        try {
            return found.getConstructor(Config.class).newInstance(config.orElseGet(ConfigFactory::empty));
        } catch (NoSuchMethodException e) {
            throw refused(key, "has no public constructor from a " + Config.class.getName(), e);
        } catch (InvocationTargetException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw refused(key, "does not take its config: " + cause, cause);
        } catch (ReflectiveOperationException | LinkageError e) {
            throw refused(key, "cannot be made: " + e, e);
        }
    }

    private Class<?> find(String key) {
        try {
            return Class.forName(type, false, loader());
        } catch (ClassNotFoundException | LinkageError e) {
            throw refused(
                    key, "is not on the class path (CHORALE_CLASS_PATH adds to it, where the launcher starts it)", e);
        }
    }

    /** With the class file's digest, so that verdicts of what the class was before are not taken for its own. */
    private String identity(Class<?> found) {
        String arguments = config.orElseGet(ConfigFactory::empty).root().render(ConfigRenderOptions.concise());
        return "%s %s %s".formatted(type, digest(found), arguments);
    }

    private static String digest(Class<?> found) {
        String file = found.getName().replace('.', '/') + ".class";
        ClassLoader loader = found.getClassLoader();
        try (InputStream in = loader == null ? null : loader.getResourceAsStream(file)) {
            return in == null ? "-" : Sha256.hex(in.readAllBytes());
        } catch (IOException e) {
            throw new IllegalArgumentException(file + " cannot be read: " + e, e);
        }
    }

    /** An application's own loader knows its classes; the one of this class may not. */
    private static ClassLoader loader() {
        ClassLoader ofThread = Thread.currentThread().getContextClassLoader();
        return ofThread == null ? RowClass.class.getClassLoader() : ofThread;
    }

    private IllegalArgumentException refused(String key, String why, @Nullable Throwable cause) {
        return new IllegalArgumentException("%s: %s %s".formatted(key, type, why), cause);
    }

    private record UsersFilter(String key, String identity, RowFilter filter) implements RowStep.Filter {
        @Override
        public boolean keeps(Map<String, @Nullable Object> row) throws RowRefusedException {
            try {
                return filter.keeps(Collections.unmodifiableMap(row));
            } catch (RuntimeException e) {
                throw failed(key, filter, e);
            }
        }
    }

    private record UsersChange(String key, String identity, RowMap map) implements RowStep.Change {
        @Override
        @SuppressWarnings("ConstantValue") // a user's class may give null all the same
        public Map<String, @Nullable Object> changed(Map<String, @Nullable Object> row) throws RowRefusedException {
            Map<String, @Nullable Object> changed;
            try {
                changed = map.map(Collections.unmodifiableMap(row));
            } catch (RuntimeException e) {
                throw failed(key, map, e);
            }
            if (changed == null) {
                throw new RowRefusedException(
                        "%s: %s gives null".formatted(key, map.getClass().getName()));
            }
            return changed;
        }
    }

    private static RowRefusedException failed(String key, Object step, RuntimeException e) {
        return new RowRefusedException(
                "%s: %s fails on the row: %s".formatted(key, step.getClass().getName(), e));
    }
}
