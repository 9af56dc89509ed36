// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.system;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * Catches signals before the JVM does, which would begin to end: then Artery closes its connections, and a run, or a node,
 * could not end in order any more. Java has no public way to them; {@code sun.misc.Signal}, of the module jdk.unsupported,
 * is meant for this, and is called by reflection because the compiler warns of its name.
 */
public interface SignalTrap {
    /** The process's own, for Ctrl-C, SIGTERM, and a terminal that is closed. Each signal is told on a thread of its own. */
    SignalTrap OF_PROCESS = onSignal -> List.of("INT", "TERM", "HUP").forEach(name -> handle(name, onSignal));

    /** What a shell adds to a signal's number, for the code with which a process ends: 130 for Ctrl-C, 143 for SIGTERM. */
    int EXIT_CODE = 128;

    /** Has signals told by their numbers from now on. */
    void set(IntConsumer onSignal);

    /** @param name without SIG */
    static void handle(String name, IntConsumer onSignal) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Method number = signal.getMethod("getNumber");
            Object tell = Proxy.newProxyInstance(
                    SignalTrap.class.getClassLoader(), new Class<?>[] {handler}, (proxy, method, arguments) -> {
                        onSignal.accept((Integer) number.invoke(arguments[0]));
                        return null;
                    });
            signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance(name), tell);
        } catch (InvocationTargetException e) {
            // The JVM was started with -Xrs and leaves signals to the system, which ends the process by itself.
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this Java has no sun.misc.Signal", e);
        }
    }
}
