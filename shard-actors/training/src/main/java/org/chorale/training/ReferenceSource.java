// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ParameterSource;
import org.chorale.model.outline.UnitOutline;

/**
 * A policy's parameters and frozen copies of some, which begin alike.
 *
 * @param prefix before the name of what is copied
 */
record ReferenceSource(ParameterSource policy, List<UnitOutline> copies, String prefix) implements ParameterSource {
    @Override
    public List<UnitOutline> units() {
        return Stream.concat(policy.units().stream(), copies.stream()).toList();
    }

    @Override
    public void copyInto(String parameter, long from, long until, Tensor target) {
        String origin = parameter.startsWith(prefix) ? parameter.substring(prefix.length()) : parameter;
        policy.copyInto(origin, from, until, target);
    }

    @Override
    public String fingerprint() {
        return policy.fingerprint();
    }

    @Override
    public void close() {
        policy.close();
    }
}
