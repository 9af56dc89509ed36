// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/**
 * Between a model that only judges and the runs that are compared with it: the log-probabilities that it gave to answers,
 * in a file that one command writes and any number of runs read.
 */
@NullMarked
package org.chorale.proto.reference;

import org.jspecify.annotations.NullMarked;
