// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import org.chorale.proto.message.KeeperCommand;

/** Tells a keeper that its place is needed no longer: the worker is dismissed, by force if need be, and the keeper stops. */
public record GiveUp() implements KeeperCommand.Internal {}
