// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigResolveOptions;
import com.typesafe.config.ConfigValue;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;

/**
 * Reads part of a run's configuration into a record: component {@code learningRate} of a record that stands at
 * {@code optimizer} is key {@code optimizer.learning-rate}; a component that is itself a record is a nested object; an
 * {@link Optional} may be null, a {@code List} holds values or records, a {@code Map} or a {@link Config} takes whatever
 * keys there are. A record's compact constructor checks the values and throws an
 * {@link IllegalArgumentException} with a line per problem, each naming key, value and what would be right.
 *
 * <p>Problems are collected, not thrown, so that a user sees all of them at once.
 */
public final class ConfigReader {
    private final Config config;
    private final List<String> problems = new ArrayList<>();

    public ConfigReader(Config config) {
        this.config = config;
    }

    /**
     * Reads one record from a configuration that was resolved before, as it travels in messages.
     *
     * @throws FaultException CONFIG_INVALID, with every problem
     */
    public static <R extends Record> R read(String runConf, String path, Class<R> type) {
        ConfigReader reader = new ConfigReader(parse("", runConf));
        Optional<R> value = reader.read(path, type);
        reader.throwProblems();
        return value.orElseThrow();
    }

    /**
     * Parses a configuration that was resolved before, and has travelled since. Whoever sent it may not have files of
     * this machine read, nor its environment, nor exhaust the stack.
     *
     * @param source what messages call it; empty for nothing
     * @throws FaultException CONFIG_INVALID, naming source and line
     */
    public static Config parse(String source, String runConf) {
        ConfigParseOptions alone = ConfigParseOptions.defaults().setIncluder(new IncludesRefused());
        try {
            return ConfigFactory.parseString(runConf, source.isEmpty() ? alone : alone.setOriginDescription(source))
                    .resolve(ConfigResolveOptions.noSystem());
        } catch (ConfigException e) {
            throw unresolved(source, String.valueOf(e.getMessage()), e);
        } catch (StackOverflowError e) {
            throw unresolved(source, "nested too deeply", e);
        }
    }

    /** Most problems of HOCON's parser begin with the source, but not all. */
    private static FaultException unresolved(String source, String problem, Throwable cause) {
        String place = problem.startsWith(source) ? "" : source + ": ";
        return new FaultException(FaultCode.CONFIG_INVALID, "no resolved HOCON: " + place + problem, cause);
    }

    /** The keys that the defaults name, with their default values. */
    public static Config defaults() {
        return ConfigFactory.parseResources(ConfigReader.class.getClassLoader(), "chorale-defaults.conf");
    }

    /** Adds a problem that no single record can see. */
    public void problem(String problem) {
        problems.add(problem);
    }

    /** Everything found so far. */
    public List<String> problems() {
        return List.copyOf(problems);
    }

    /** @throws FaultException CONFIG_INVALID where there is a problem */
    public void throwProblems() {
        if (!problems.isEmpty()) {
            throw new FaultException(FaultCode.CONFIG_INVALID, String.join("\n", problems));
        }
    }

    /** The record at {@code path}, the root being the empty string; empty where a problem was noted. */
    public <R extends Record> Optional<R> read(String path, Class<R> type) {
        RecordComponent[] components = type.getRecordComponents();
        Object[] values = new Object[components.length];
        int before = problems.size();
        for (int i = 0; i < components.length; i++) {
            values[i] = value(key(path, components[i].getName()), components[i].getGenericType());
        }
        if (problems.size() == before) {
            return construct(type, components, values);
        }
        if (fillFromDefaults(path, components, values)) {
            construct(type, components, values); // only for what it says of the other keys
        }
        return Optional.empty();
    }

    /** Puts defaults where nothing could be read; false where a key has none. */
    private static boolean fillFromDefaults(String path, RecordComponent[] components, @Nullable Object[] values) {
        ConfigReader defaults = new ConfigReader(defaults());
        for (int i = 0; i < components.length; i++) {
            if (values[i] == null) {
                values[i] = defaults.value(key(path, components[i].getName()), components[i].getGenericType());
            }
        }
        return Arrays.stream(values).allMatch(value -> value != null);
    }

    private <R extends Record> Optional<R> construct(Class<R> type, RecordComponent[] components, Object[] values) {
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        try {
            return Optional.of(type.getDeclaredConstructor(types).newInstance(values));
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof IllegalArgumentException invalid) {
                String.valueOf(invalid.getMessage()).lines().forEach(problems::add);
                return Optional.empty();
            }
            throw new IllegalStateException(type + " could not be built", e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(type + " has no constructor that can be called", e);
        }
    }

    private @Nullable Object value(String key, Type type) {
        if (type instanceof ParameterizedType generic) {
            return composed(key, generic);
        }
        Class<?> plain = (Class<?>) type;
        if (plain.isRecord()) {
            return read(key, plain.asSubclass(Record.class)).orElse(null);
        }
        if (!config.hasPath(key)) {
            problems.add(key + " is not set: give " + kind(plain));
            return null;
        }
        try {
            return plain == Config.class ? config.getConfig(key) : scalar(key, plain);
        } catch (ConfigException | ArithmeticException | InvalidPathException e) {
            problems.add(
                    "%s = %s: must be %s".formatted(key, config.getValue(key).unwrapped(), kind(plain)));
            return null;
        }
    }

    private @Nullable Object composed(String key, ParameterizedType type) {
        Type[] arguments = type.getActualTypeArguments();
        if (type.getRawType() == Optional.class) {
            return config.hasPath(key) ? Optional.ofNullable(value(key, arguments[0])) : Optional.empty();
        } else if (type.getRawType() == List.class) {
            return list(key, arguments[0]);
        } else if (type.getRawType() == Map.class) {
            return map(key, arguments[1]);
        }
        throw new IllegalStateException("no rule reads a " + type + " (" + key + ")");
    }

    private @Nullable Object list(String key, Type type) {
        try {
            List<Object> elements = new ArrayList<>();
            int index = 0;
            for (ConfigValue element : config.getList(key)) {
                Object read = element(key + "[" + index++ + "]", element, type);
                if (read != null) {
                    elements.add(read);
                }
            }
            return elements.size() == index ? List.copyOf(elements) : null;
        } catch (ConfigException e) {
            problems.add("%s = %s: must be a list".formatted(key, said(key)));
            return null;
        }
    }

    private @Nullable Object map(String key, Type type) {
        try {
            Map<String, Object> values = new LinkedHashMap<>();
            ConfigObject object = config.getObject(key);
            for (String name : new TreeSet<>(object.keySet())) {
                Object read = element(key + "." + name, Objects.requireNonNull(object.get(name)), type);
                if (read != null) {
                    values.put(name, read);
                }
            }
            return values.size() == object.size() ? Collections.unmodifiableMap(values) : null;
        } catch (ConfigException e) {
            problems.add("%s = %s: must be an object".formatted(key, said(key)));
            return null;
        }
    }

    /** A value without a path of its own: it is read as the only key of a configuration, and named by its place. */
    private @Nullable Object element(String place, ConfigValue element, Type type) {
        String only = "element";
        ConfigReader reader = new ConfigReader(element.atKey(only));
        if (type instanceof Class<?> record && record.isRecord() && element instanceof ConfigObject object) {
            Set<String> known = Arrays.stream(record.getRecordComponents())
                    .map(component -> key("", component.getName()))
                    .collect(Collectors.toCollection(TreeSet::new));
            object.keySet().stream()
                    .filter(name -> !known.contains(name))
                    .forEach(name -> reader.problem("%s.%s: there is no such key, there are %s"
                            .formatted(only, name, String.join(", ", known))));
        }
        Object read = reader.value(only, type);
        reader.problems().stream()
                .map(problem -> problem.startsWith(only) ? place + problem.substring(only.length()) : problem)
                .forEach(problems::add);
        return reader.problems().isEmpty() ? read : null;
    }

    private @Nullable Object said(String key) {
        return config.hasPath(key) ? config.getValue(key).unwrapped() : null;
    }

    private Object scalar(String key, Class<?> type) {
        if (type == int.class || type == Integer.class) {
            return Math.toIntExact(whole(key));
        } else if (type == long.class || type == Long.class) {
            return whole(key);
        } else if (type == double.class || type == Double.class) {
            return finite(key);
        } else if (type == boolean.class || type == Boolean.class) {
            return config.getBoolean(key);
        } else if (type == Duration.class) {
            return duration(key);
        } else if (type == Path.class) {
            return Path.of(config.getString(key));
        } else if (type.isEnum()) {
            return constant(key, type, config.getString(key));
        } else if (type == String.class) {
            return config.getString(key);
        }
        throw new IllegalStateException("no rule reads a " + type + " (" + key + ")");
    }

    /** Config itself would cut the fraction off, and a number that is too large down to the largest. */
    private long whole(String key) {
        double exact = config.getDouble(key);
        if (exact != Math.rint(exact) || Math.abs(exact) >= 0x1p63) {
            throw new ConfigException.BadValue(key, "is no 64-bit integer");
        }
        return config.getLong(key);
    }

    private double finite(String key) {
        double number = config.getDouble(key);
        if (!Double.isFinite(number)) {
            throw new ConfigException.BadValue(key, "is not finite");
        }
        return number;
    }

    /** Config itself would take a bare number for milliseconds. */
    private Duration duration(String key) {
        if (config.getString(key).chars().noneMatch(Character::isLetter)) {
            throw new ConfigException.BadValue(key, "has no unit");
        }
        return config.getDuration(key);
    }

    private static Object constant(String key, Class<?> type, String word) {
        return Arrays.stream(type.getEnumConstants())
                .filter(constant -> word(constant).equals(word))
                .findFirst()
                .orElseThrow(() -> new ConfigException.BadValue(key, word));
    }

    private static String kind(Class<?> type) {
        if (type.isEnum()) {
            return Arrays.stream(type.getEnumConstants())
                    .map(ConfigReader::word)
                    .collect(Collectors.joining(", ", "one of ", ""));
        } else if (type == int.class || type == long.class || type == Integer.class || type == Long.class) {
            return "a whole number";
        } else if (type == double.class || type == Double.class) {
            return "a number";
        } else if (type == boolean.class || type == Boolean.class) {
            return "true or false";
        } else if (type == Duration.class) {
            return "a duration with its unit, such as 30 minutes";
        }
        if (type == Config.class) {
            return "an object";
        }
        return type == Path.class ? "a path" : "a text";
    }

    private static String word(Object constant) {
        return ((Enum<?>) constant).name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static String key(String path, String component) {
        String word = component.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
        return path.isEmpty() ? word : path + "." + word;
    }
}
