// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigSyntax;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.training.pipeline.LocalComponents;

/**
 * RUN.conf: a file in HOCON. Over it stands what the command line says, under it the defaults. It may include other
 * local files, and refer to keys and to environment variables.
 */
public final class RunFile {
    /** Nobody writes a configuration as long as this; whoever names a data file by mistake is told so. */
    static final long MAX_BYTES = 1 << 20;

    private static final String SUFFIX = ".conf";
    static final ConfigRenderOptions PLAIN = ConfigRenderOptions.defaults()
            .setOriginComments(false)
            .setComments(false)
            .setJson(false);

    private final Path file;
    private final Path currentFolder;

    /**
     * @param file as the user named it
     * @param currentFolder what relative paths of the command line stand in
     */
    public RunFile(Path file, Path currentFolder) {
        this.file = currentFolder.resolve(file).normalize();
        this.currentFolder = currentFolder;
    }

    /**
     * Reads the file and checks everything that can be checked before a run begins.
     *
     * @param assignments {@code key=value} of the command line; of two for one key the later counts
     * @param runDir {@code --run-dir}
     * @throws FaultException FILE_MISSING, FILE_MALFORMED, or CONFIG_INVALID with a line per problem
     */
    public RunConf resolve(List<String> assignments, Optional<Path> runDir) {
        return resolve(assignments, runDir, reader -> RunConfiguration.check(reader, LocalComponents.none()));
    }

    /** The same for a run on other machines, where alone users' classes need to be. */
    public RunConf resolveForCluster(List<String> assignments, Optional<Path> runDir) {
        return resolve(assignments, runDir, RunConfiguration::checkKeys);
    }

    private RunConf resolve(List<String> assignments, Optional<Path> runDir, Consumer<ConfigReader> check) {
        CommandLineKeys commandLine = CommandLineKeys.parse(assignments);
        return complete(
                commandLine.config().withFallback(parse()),
                commandLine.problems(),
                new Locations(file, currentFolder),
                runDir,
                check);
    }

    /**
     * Completes and checks a configuration that a program has made. Relative paths stand in the current folder.
     *
     * @param local components that only this process has
     * @throws FaultException CONFIG_INVALID with a line per problem
     */
    public static RunConf resolve(Config said, Path currentFolder, LocalComponents local) {
        Locations locations = new Locations(currentFolder.resolve("pipeline"), currentFolder);
        return complete(said, List.of(), locations, Optional.empty(), reader -> RunConfiguration.check(reader, local));
    }

    /**
     * Checks a configuration that was resolved elsewhere: whether its records can be read, and its classes built, here.
     *
     * @param text of {@link RunConf}
     * @throws FaultException CONFIG_INVALID with a line per problem
     */
    public static RunConf recheck(String text) {
        Config config = ConfigReader.parse("", text);
        ConfigReader reader = new ConfigReader(config);
        RunConfiguration.check(reader, LocalComponents.none());
        refuse(reader.problems());
        return new RunConf(text, Path.of(config.getString(Locations.RUN_DIR)));
    }

    private static RunConf complete(
            Config said,
            List<String> problems,
            Locations locations,
            Optional<Path> runDir,
            Consumer<ConfigReader> check) {
        Config defaults = ConfigReader.defaults();
        Config merged = resolved(said.withFallback(defaults));
        KnownKeys.Checked checked = new KnownKeys(defaults).check(merged);
        Config complete = checked.usable().withFallback(defaults);
        Config located = locations.absolute(complete, runDir);
        ConfigReader reader = new ConfigReader(located);
        problems.forEach(reader::problem);
        checked.problems().forEach(reader::problem);
        locations.problems(complete, runDir).forEach(reader::problem);
        check.accept(reader);
        refuse(reader.problems());
        return new RunConf(located.root().render(PLAIN), Path.of(located.getString(Locations.RUN_DIR)));
    }

    /** What a run's directory is called after its file: {@code quickstart} for {@code recipes/quickstart.conf}. */
    static String runName(Path file) {
        String name = file.getFileName().toString();
        return name.endsWith(SUFFIX) && name.length() > SUFFIX.length()
                ? name.substring(0, name.length() - SUFFIX.length())
                : name;
    }

    private Config parse() {
        refuseOthersThanFiles();
        refuseOthersThanTexts();
        ConfigParseOptions options = ConfigParseOptions.defaults()
                .setSyntax(ConfigSyntax.CONF)
                .setAllowMissing(false)
                .setIncluder(new LocalIncluder(List.of(file.toAbsolutePath())));
        try {
            return ConfigFactory.parseFile(file.toFile(), options);
        } catch (ConfigException.IO e) {
            throw new FaultException(FaultCode.FILE_MISSING, file + " cannot be read: " + e.getMessage(), e);
        } catch (ConfigException e) { // its message begins with file and line
            throw new FaultException(FaultCode.FILE_MALFORMED, String.valueOf(e.getMessage()), e);
        } catch (StackOverflowError e) {
            throw new FaultException(FaultCode.FILE_MALFORMED, file + " is nested too deeply", e);
        }
    }

    /** HOCON's parser would put marks in the place of what is no UTF-8, and complain about those. */
    private void refuseOthersThanTexts() {
        try {
            if (Files.readString(file).indexOf('\0') >= 0) {
                throw new CharacterCodingException();
            }
        } catch (CharacterCodingException e) {
            throw new FaultException(
                    FaultCode.FILE_MALFORMED, file + " is no text in UTF-8: name a run's configuration, RUN.conf", e);
        } catch (IOException e) {
            throw new FaultException(FaultCode.FILE_MISSING, file + " cannot be read: " + e, e);
        }
    }

    private void refuseOthersThanFiles() {
        if (!Files.isRegularFile(file)) {
            String what = Files.exists(file) ? " is no file" : " does not exist";
            throw new FaultException(FaultCode.FILE_MISSING, file + what + ": name a run's configuration, RUN.conf");
        }
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw new FaultException(
                        FaultCode.FILE_MALFORMED,
                        "%s has %d bytes: a run's configuration has at most %d"
                                .formatted(file, Files.size(file), MAX_BYTES));
            }
        } catch (IOException e) {
            throw new FaultException(FaultCode.FILE_MISSING, file + " cannot be read: " + e, e);
        }
    }

    private static Config resolved(Config said) {
        try {
            return said.resolve();
        } catch (ConfigException e) {
            throw new FaultException(FaultCode.CONFIG_INVALID, String.valueOf(e.getMessage()), e);
        }
    }

    /** Several records may read one key; its problem is told once. */
    static void refuse(List<String> problems) {
        if (!problems.isEmpty()) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    String.join("\n", problems.stream().distinct().toList()));
        }
    }
}
