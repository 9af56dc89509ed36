// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;

/**
 * A stage of a pipeline, or its model.
 *
 * <p>A component that has a public constructor from a {@link Config} and returns that configuration from
 * {@link #config()} can be built anew anywhere: on another node, or when a run goes on after its process has ended. One
 * without, a lambda for instance, works only in the process that made it.
 */
public interface Component {
    /** What messages and drawings call it. */
    default String name() {
        Class<?> type = getClass();
        String name = type.isHidden() || type.isSynthetic() ? "" : type.getSimpleName();
        return name.isEmpty() ? "(lambda)" : name;
    }

    /**
     * The tensors that it takes and gives, such as {@code batch:2:i64 -> batch:2:i64 | ctx.mask:2:f}; blank where it does
     * not say. See {@link org.chorale.training.contract.Contract}.
     */
    default String contract() {
        return "";
    }

    /** What its constructor from a configuration takes. */
    default Config config() {
        return ConfigFactory.empty();
    }
}
