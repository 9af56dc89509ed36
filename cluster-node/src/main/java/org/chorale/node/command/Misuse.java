// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.util.Set;
import org.chorale.model.outline.NearestName;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** A command line that cannot be read: what is wrong with it, and what was probably meant. */
final class Misuse {
    private Misuse() {}

    static Fault fault(ParameterException misuse) {
        CommandLine command = misuse.getCommandLine();
        String hint = "\n  see " + command.getCommandSpec().qualifiedName() + " --help";
        return new Fault(FaultCode.COMMAND_INVALID, message(misuse).replace("\n", "\n  ") + hint);
    }

    private static String message(ParameterException misuse) {
        if (misuse instanceof UnmatchedArgumentException unmatched) {
            CommandLine command = unmatched.getCommandLine();
            String word = unmatched.getUnmatched().get(0);
            if (unmatched.isUnknownOption()) {
                String option = word.replaceFirst("=.*", "");
                return unknown(
                        "option", option, command.getCommandSpec().optionsMap().keySet());
            } else if (!command.getSubcommands().isEmpty()) {
                return unknown("command", word, command.getSubcommands().keySet());
            }
        }
        return String.valueOf(misuse.getMessage());
    }

    private static String unknown(String what, String written, Set<String> known) {
        return "there is no %s %s, the nearest is %s".formatted(what, written, NearestName.to(written, known));
    }
}
