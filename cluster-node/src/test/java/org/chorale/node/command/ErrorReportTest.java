// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

final class ErrorReportTest {
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final PrintStream stream = new PrintStream(err, true, StandardCharsets.UTF_8);
    private final ErrorReport report =
            new ErrorReport(new Console(stream, stream, false, 100, Path.of("")), false, false);

    @Test
    void eachMistakeHasTheLabel() {
        report.report(new Fault(FaultCode.CONFIG_INVALID, "a is wrong\nb is wrong\n  see --help"));

        assertThat(lines())
                .containsExactly(
                        "error [CONFIG_INVALID] a is wrong", "error [CONFIG_INVALID] b is wrong", "  see --help");
    }

    @Test
    void whatGoesOnWithAMessageIsIndentedBelowIt() {
        report.report(new Fault(FaultCode.CHECKPOINT_CORRUPT, "none is whole:\nstep-1 is short\nRestore one"));
        report.report(new Fault(FaultCode.RUN_DIRECTORY_TAKEN, "other settings:\nrun.seed"));

        assertThat(lines())
                .containsExactly(
                        "error [CHECKPOINT_CORRUPT] none is whole:",
                        "  step-1 is short",
                        "  Restore one",
                        "error [RUN_DIRECTORY_TAKEN] other settings:",
                        "  run.seed");
    }

    @Test
    void aLibraryThatCannotBeLoadedIsOneCodedLine() {
        Error error = new UnsatisfiedLinkError("no jnitorch in java.library.path");
        CommandLine command = new CommandLine(CommandSpec.create());
        report.report(new CommandLine.ExecutionException(command, "Error while calling command", error));

        assertThat(lines())
                .singleElement()
                .asString()
                .startsWith("error [")
                .contains("no jnitorch in java.library.path");
    }

    @Test
    void aQuotedFileDoesNotSteerTheTerminal() {
        report.report(new Fault(FaultCode.MODEL_UNSUPPORTED, "model_type = \u001b]0;x\u0007\u009b2J\u202e: unknown"));

        assertThat(lines())
                .containsExactly("error [MODEL_UNSUPPORTED] model_type = \\u001b]0;x\\u0007\\u009b2J\\u202e: unknown");
    }

    private Stream<String> lines() {
        return err.toString(StandardCharsets.UTF_8).lines();
    }
}
