// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * A component as a run's configuration names it.
 *
 * @param type its class; one of Chorale's own losses by its simple name
 * @param config what its constructor takes
 */
public record ComponentConfig(String type, Optional<Config> config) {
    /** The type of a component that only the process that made the pipeline has; {@code config.name} is its name. */
    public static final String IN_PROCESS = "in-process";

    private static final String OWN_LOSSES = "org.chorale.training.loss.";

    /** Whether a component can be built anew from its class and configuration. */
    public static boolean isPortable(Component component) {
        Class<?> type = component.getClass();
        return Modifier.isPublic(type.getModifiers())
                && type.getCanonicalName() != null
                && Arrays.stream(type.getConstructors())
                        .anyMatch(made -> Arrays.equals(made.getParameterTypes(), new Class<?>[] {Config.class}));
    }

    /** What names this component in a configuration. */
    public static ComponentConfig of(Component component) {
        return isPortable(component)
                ? new ComponentConfig(component.getClass().getName(), Optional.of(component.config()))
                : new ComponentConfig(
                        IN_PROCESS, Optional.of(ConfigFactory.parseMap(Map.of("name", component.name()))));
    }

    /** @throws IllegalArgumentException where a component's configuration has a key that the component does not know */
    public static void refuseOtherKeys(Config config, Set<String> known) {
        config.root().keySet().stream()
                .filter(key -> !known.contains(key))
                .findFirst()
                .ifPresent(key -> {
                    throw new IllegalArgumentException(
                            "there is no key %s, there are %s".formatted(key, String.join(", ", new TreeSet<>(known))));
                });
    }

    /**
     * Makes the component. A class is initialised only when it is known to be of the kind.
     *
     * @param key where in the configuration this stands
     * @throws PipelineException where it cannot be made, saying why
     */
    public <C extends Component> C build(String key, Class<C> kind) {
        Config arguments = config.orElseGet(ConfigFactory::empty);
        if (type.equals(IN_PROCESS)) {
            throw new PipelineException(
                    ("%s: %s exists only in the process that made the pipeline; to run it elsewhere, or"
                                    + " to go on from the run directory alone, it needs a public class with a public constructor"
                                    + " from a Config")
                            .formatted(key, arguments.hasPath("name") ? arguments.getString("name") : "the component"));
        }
        Constructor<? extends C> constructor = constructor(key, kind);
        try {
            return constructor.newInstance(arguments);
        } catch (InvocationTargetException e) {
            throw refused(key, e.getCause() == null ? e : e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new PipelineException(where(key) + "cannot be made: " + e, e);
        }
    }

    private PipelineException refused(String key, Throwable cause) {
        if (cause instanceof ConfigException || cause instanceof IllegalArgumentException) {
            return new PipelineException(where(key) + "does not take its config: " + cause.getMessage(), cause);
        }
        return cause instanceof PipelineException
                ? new PipelineException(where(key) + cause.getMessage(), cause)
                : new PipelineException(where(key) + "cannot be made: " + cause, cause);
    }

    private <C extends Component> Constructor<? extends C> constructor(String key, Class<C> kind) {
        Class<?> found = find(key);
        if (!kind.isAssignableFrom(found) || Modifier.isAbstract(found.getModifiers())) {
            throw new PipelineException(where(key) + "is no " + kind.getSimpleName()
                    + (Modifier.isAbstract(found.getModifiers()) ? " that can be made: it is abstract" : ""));
        }
        try {
            return found.asSubclass(kind).getConstructor(Config.class);
        } catch (NoSuchMethodException e) {
            throw new PipelineException(where(key) + "has no public constructor from a " + Config.class.getName(), e);
        }
    }

    private Class<?> find(String key) {
        String name = type.contains(".") ? type : OWN_LOSSES + type;
        try {
            return Class.forName(name, false, loader());
        } catch (ClassNotFoundException | LinkageError e) {
            throw new PipelineException(
                    where(key)
                            + "is not on the class path (CHORALE_CLASS_PATH adds to it, where the launcher starts it)",
                    e);
        }
    }

    /** An application's own loader knows its classes; the one of this class may not. */
    private static ClassLoader loader() {
        ClassLoader ofThread = Thread.currentThread().getContextClassLoader();
        return ofThread == null ? ComponentConfig.class.getClassLoader() : ofThread;
    }

    private String where(String key) {
        return key + ": " + type + " ";
    }
}
