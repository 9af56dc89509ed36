// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

import java.util.Optional;

/**
 * A stage of a pipeline, as far as its contract goes.
 *
 * @param label what messages call it, such as {@code PreProcessor 2 TokenMasker}
 * @param contract empty where the stage does not say what it does: everything may come out of it then
 */
public record Stage(String label, Optional<Contract> contract) {
    /** A stage whose contract is written in the terse syntax, or blank where it has none. */
    public static Stage of(String label, String contract) {
        return new Stage(label, contract.isBlank() ? Optional.empty() : Optional.of(Contract.parse(label, contract)));
    }
}
