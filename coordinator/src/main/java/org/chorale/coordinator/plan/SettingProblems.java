// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.ArrayList;
import java.util.List;

/** Collects what is wrong with a record's settings, so that its constructor reports all of it at once. */
final class SettingProblems {
    private final List<String> lines = new ArrayList<>();

    @CanIgnoreReturnValue
    SettingProblems require(boolean holds, String key, Object value, String right) {
        if (!holds) {
            lines.add("%s = %s: must be %s".formatted(key, value, right));
        }
        return this;
    }

    void throwAny() {
        if (!lines.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", lines));
        }
    }
}
