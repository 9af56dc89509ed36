// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import java.util.Optional;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.coordinator.plan.ParallelSettings.Isolation;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.worker.FaultTranslation;

/** Whether a run's workers can be built here: its files are there, and its classes are on the class path. */
final class RunCheck {
    private RunCheck() {}

    /** @param runConf as resolved elsewhere */
    static Optional<Fault> fault(String runConf) {
        try {
            RunConf conf = RunFile.recheck(runConf);
            refuseInProcess(runConf);
            NamedPaths.refuseMissing(conf);
            return Optional.empty();
        } catch (FaultException e) {
            return Optional.of(new Fault(FaultCode.NODE_UNFIT, e.fault().message()));
        }
    }

    private static void refuseInProcess(String runConf) {
        if (ConfigReader.read(runConf, "parallel", ParallelSettings.class).isolation() == Isolation.IN_PROCESS) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "parallel.isolation = in-process: must be process in a cluster, whose nodes outlive their workers");
        }
    }

    /** A user's class may throw whatever it likes when it is loaded. */
    static Optional<Fault> of(Throwable thrown) {
        return Optional.of(FaultTranslation.of(thrown));
    }
}
