// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/**
 * What the feeder found.
 *
 * @param examples usable training examples
 * @param steps optimizer steps of the run, if {@code run.steps} does not say otherwise
 * @param rowsSkipped malformed rows that were left out
 * @param evaluationExamples 0 where nothing is evaluated
 * @param tokenIds one more than the largest id that the tokenizer can give
 * @param digest SHA-256 over the training source and the tokenizer
 */
public record DataFacts(
        long examples, long steps, long rowsSkipped, long evaluationExamples, long tokenIds, String digest) {}
