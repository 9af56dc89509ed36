// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.outline.ConfigJson;

/** Reads the config.json of one family. */
interface Family {
    /**
     * Keys that are left out have Transformers' defaults.
     *
     * @throws org.chorale.model.outline.InvalidModelException with every problem, a line each
     */
    DecoderConfig read(ConfigJson json);
}
