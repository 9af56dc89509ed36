// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.List;
import org.chorale.coordinator.plan.ParallelSettings.Device;

/** Slots whose workers compute with the same; all slots of a run are of one kind. */
enum SlotKind {
    /** Each has a GPU to itself. */
    WITH_GPU(" with a GPU") {
        @Override
        boolean has(ClusterNode node, int number) {
            return number < node.gpus().size();
        }
    },
    /** On nodes that have one at least, for workers that share them. */
    SHARING_GPUS(" on nodes with a GPU") {
        @Override
        boolean has(ClusterNode node, int number) {
            return !node.gpus().isEmpty();
        }
    },
    /** On nodes that have no GPU, where a worker that takes what it finds computes with the CPU. */
    WITHOUT_GPU(" on nodes without a GPU") {
        @Override
        boolean has(ClusterNode node, int number) {
            return node.gpus().isEmpty();
        }
    },
    /** For workers that compute with the CPU in any case. */
    ANY("") {
        @Override
        boolean has(ClusterNode node, int number) {
            return true;
        }
    };

    private final String words;

    SlotKind(String words) {
        this.words = words;
    }

    /** Those that serve a run, best first: it gets the first of which the nodes have enough. */
    static List<SlotKind> serving(Device device) {
        return switch (device) {
            case AUTO -> List.of(WITH_GPU, WITHOUT_GPU);
            case CPU -> List.of(ANY);
            case CUDA -> List.of(WITH_GPU);
            case CUDA_SHARED -> List.of(SHARING_GPUS);
        };
    }

    abstract boolean has(ClusterNode node, int number);

    /** What distinguishes them, to be said after what they are. */
    String words() {
        return words;
    }
}
