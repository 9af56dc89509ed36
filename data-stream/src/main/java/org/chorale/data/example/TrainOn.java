// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

/** Which part of a conversation is trained: {@code data.chat.train-on}. */
public enum TrainOn {
    /** What the assistant says, tool calls included. */
    ASSISTANT,
    /** Every token. */
    ALL
}
