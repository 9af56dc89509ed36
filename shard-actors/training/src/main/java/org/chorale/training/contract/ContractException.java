// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

import java.util.List;

/** Contracts that cannot be read, do not fit together, or were not kept; a line per problem. */
public final class ContractException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public ContractException(List<String> problems) {
        super(String.join("\n", problems));
    }
}
