// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;

/**
 * What somebody shows to be who they are.
 *
 * @param chain their own certificate first, then those of the authorities between it and a trusted one
 * @param key the first certificate's
 */
record Credentials(List<X509Certificate> chain, PrivateKey key) {
    Credentials {
        chain = List.copyOf(chain);
    }

    X509Certificate certificate() {
        return chain.get(0);
    }
}
