// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import java.time.Duration;

/** A device has not come to the end of what it was given: it hangs, or is far slower than its user expects. */
public final class DeviceTimeoutException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public DeviceTimeoutException(Duration patience) {
        super("the device has not finished within %d s what it was given to compute".formatted(patience.toSeconds()));
    }
}
