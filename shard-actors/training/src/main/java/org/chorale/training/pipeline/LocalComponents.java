// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Components that this process has made itself, by the key under which the configuration names them. They take the place
 * of what the configuration says; elsewhere it has to be enough.
 */
public final class LocalComponents {
    private final Map<String, Component> byKey = new HashMap<>();

    /** None, as on any other node. */
    public static LocalComponents none() {
        return new LocalComponents();
    }

    /** Adds one, while the pipeline is built. */
    public void put(String key, Component component) {
        byKey.put(key, component);
    }

    /** The component of a key, if it is here. */
    public <C extends Component> Optional<C> find(String key, Class<C> kind) {
        return Optional.ofNullable(byKey.get(key)).map(kind::cast);
    }
}
