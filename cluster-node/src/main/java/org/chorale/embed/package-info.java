/**
 * Where an application of its own has Chorale train: inside its actor system, with workers in child processes of its JVM, or
 * on a cluster of which it is a client.
 *
 * <p>Chorale adds actors, serializers and dispatchers of its own to the application's system. It changes none of its
 * settings, starts no second system in its JVM, and never ends it.
 */
@NullMarked
package org.chorale.embed;

import org.jspecify.annotations.NullMarked;
