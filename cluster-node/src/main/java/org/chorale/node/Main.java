// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node;

import org.chorale.node.command.ChoraleCommand;
import org.chorale.node.command.Console;

/** Where the program begins; {@code deploy/chorale} starts it with the flags that libtorch needs. */
public final class Main {
    private static final String LOG_CONFIGURATION = "logback.configurationFile";

    private Main() {}

    /** Carries out one command line and ends the process, whatever threads are left. */
    public static void main(String[] arguments) {
        if (System.getProperty(LOG_CONFIGURATION) == null) { // which logback reads when the first logger is made
            System.setProperty(LOG_CONFIGURATION, "org/chorale/node/program-log.xml");
        }
        System.exit(ChoraleCommand.run(Console.ofProcess(), arguments));
    }
}
