// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.util.Objects;
import java.util.concurrent.Callable;
import org.chorale.node.doctor.Diagnosis;
import org.chorale.node.doctor.Machine;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** {@code chorale doctor}. */
@Command(
        name = "doctor",
        description = "Says what this machine has for training, and how to get what it lacks.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Exit code 0 if a run can be trained here, on the CPU at least; the last line is about the GPU.",
            "",
            "Examples:",
            "  chorale doctor",
            "  chorale doctor --json | jq .gpu.ready"
        })
final class DoctorCommand implements Callable<Integer> {
    private @Nullable @ParentCommand ChoraleCommand chorale;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        Console console = Objects.requireNonNull(chorale, "picocli sets the parent command")
                .console();
        return examine(console, Machine.ofProcess(), json);
    }

    static int examine(Console console, Machine machine, boolean json) {
        Diagnosis diagnosis = Diagnosis.of(machine);
        if (json) {
            console.out().println(diagnosis.json());
        } else {
            diagnosis.lines().forEach(console.out()::println);
        }
        return diagnosis.trains() ? ExitCode.DONE : ExitCode.FAILED_OR_DIFFERS;
    }
}
