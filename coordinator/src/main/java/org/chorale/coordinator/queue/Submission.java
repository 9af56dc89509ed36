// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.nio.file.Path;
import org.chorale.coordinator.plan.ParallelSettings.Isolation;
import org.chorale.coordinator.plan.RunTerms;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.SubmitRun;

/**
 * A run that a client wants.
 *
 * @param directory on the file system that all nodes share
 * @param runConf as resolved
 */
record Submission(String name, Path directory, String runConf, RunTerms terms) {
    private static final String NAMES = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}";

    /** @throws FaultException with all that is wrong with its configuration, or with its name */
    static Submission of(SubmitRun request) {
        RunTerms terms = RunTerms.read(request.getRunConf());
        Path directory = terms.run().dir();
        String name = request.getName().isEmpty() ? lastName(directory) : request.getName();
        if (!name.matches(NAMES)) {
            throw new FaultException(
                    FaultCode.COMMAND_INVALID,
                    "run name '%s': must be up to 100 letters, digits, dots, dashes and underlines".formatted(name));
        } else if (!directory.isAbsolute()) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "run.dir = %s: must be absolute, for nodes have working directories of their own"
                            .formatted(directory));
        } else if (terms.parallel().isolation() == Isolation.IN_PROCESS) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "parallel.isolation = in-process: must be process in a cluster, whose nodes survive their workers");
        }
        return new Submission(name, directory, request.getRunConf(), terms);
    }

    private static String lastName(Path directory) {
        Path last = directory.getFileName();
        return last == null ? "" : last.toString();
    }
}
