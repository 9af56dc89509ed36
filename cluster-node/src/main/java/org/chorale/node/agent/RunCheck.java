// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.coordinator.plan.ParallelSettings.Isolation;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.training.pipeline.PipelineConfig;
import org.chorale.worker.FaultTranslation;
import org.jspecify.annotations.Nullable;

/**
 * Whether a run's workers can be built here: its files are there, and its classes are on the class path.
 *
 * @param usersClasses digest of what users have added to the class path; empty where the run names none of their classes
 * @param fault why they cannot
 */
record RunCheck(String usersClasses, Optional<Fault> fault) {
    private static final String TYPE = "type";
    private static final String OWN_PACKAGES = "org.chorale.";

    /** @param runConf as resolved elsewhere */
    static RunCheck of(String runConf) {
        try {
            RunConf conf = RunFile.recheck(runConf);
            refuseInProcess(runConf);
            NamedPaths.refuseMissing(conf);
            return new RunCheck(namesUsersClasses(runConf) ? Preflights.usersClasses() : "", Optional.empty());
        } catch (FaultException e) {
            return new RunCheck(
                    "", Optional.of(new Fault(FaultCode.NODE_UNFIT, e.fault().message())));
        }
    }

    private static void refuseInProcess(String runConf) {
        if (ConfigReader.read(runConf, "parallel", ParallelSettings.class).isolation() == Isolation.IN_PROCESS) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "parallel.isolation = in-process: must be process in a cluster, whose nodes outlive their workers");
        }
    }

    private static boolean namesUsersClasses(String runConf) {
        Config config = ConfigFactory.parseString(runConf);
        return Stream.of(PipelineConfig.KEY, "data")
                .filter(config::hasPath)
                .anyMatch(key -> namesUsersClasses(config.getValue(key)));
    }

    /** Components may have components, as a sum of losses has, and are named by their types wherever they stand. */
    private static boolean namesUsersClasses(ConfigValue value) {
        if (value instanceof ConfigList list) {
            return list.stream().anyMatch(RunCheck::namesUsersClasses);
        }
        return value instanceof ConfigObject object
                && (isUsersClass(object.get(TYPE)) || object.values().stream().anyMatch(RunCheck::namesUsersClasses));
    }

    /** Chorale's own losses may be named without their package. */
    private static boolean isUsersClass(@Nullable ConfigValue type) {
        return type != null
                && type.unwrapped() instanceof String name
                && name.contains(".")
                && !name.startsWith(OWN_PACKAGES);
    }

    /** A user's class may throw whatever it likes when it is loaded. */
    static RunCheck failed(Throwable thrown) {
        return new RunCheck("", Optional.of(FaultTranslation.of(thrown)));
    }
}
