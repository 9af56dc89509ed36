// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.chorale.data.disk.Sha256;
import org.jspecify.annotations.Nullable;

/** What is done with each row of a source, compiled. Safe to use from many threads. */
public final class RowSteps {
    /** Every row stays as it is. */
    public static final RowSteps NONE = new RowSteps(List.of());

    private final List<RowStep> steps;
    private final String identity;

    RowSteps(List<RowStep> steps) {
        this.steps = List.copyOf(steps);
        String lines = steps.stream().map(RowStep::identity).collect(Collectors.joining("\n"));
        this.identity = steps.isEmpty() ? "" : Sha256.hex(lines.getBytes(StandardCharsets.UTF_8));
    }

    /** Whether rows stay as they are. */
    public boolean isEmpty() {
        return steps.isEmpty();
    }

    /** Whether a row that is kept may become another one. */
    public boolean changesRows() {
        return steps.stream().anyMatch(RowStep.Change.class::isInstance);
    }

    /** What verdicts and changed rows depend on besides the rows: a digest, or blank where rows stay as they are. */
    public String identity() {
        return identity;
    }

    /** What becomes of a row; empty where a filter leaves it out. */
    public Optional<Map<String, @Nullable Object>> judged(Map<String, @Nullable Object> row)
            throws RowRefusedException {
        return applied(row, true);
    }

    /** What becomes of a row that was kept before: filters are not asked again. */
    public Map<String, @Nullable Object> changed(Map<String, @Nullable Object> row) throws RowRefusedException {
        return applied(row, false).orElseThrow();
    }

    private Optional<Map<String, @Nullable Object>> applied(Map<String, @Nullable Object> row, boolean judges)
            throws RowRefusedException {
        Map<String, @Nullable Object> changed = row;
        for (RowStep step : steps) {
            if (step instanceof RowStep.Change change) {
                changed = change.changed(changed);
            } else if (judges && step instanceof RowStep.Filter filter && !filter.keeps(changed)) {
                return Optional.empty();
            }
        }
        return Optional.of(changed);
    }
}
