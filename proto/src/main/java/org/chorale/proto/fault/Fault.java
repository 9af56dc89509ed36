// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.fault;

/**
 * One fault as it travels between actors and to the user.
 *
 * @param code the stable cause
 * @param message what is wrong, where (file, key, row, step), and what would be right
 */
public record Fault(FaultCode code, String message) {}
