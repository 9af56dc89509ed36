// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.fault;

/** Every cause that ends a run or a command. Names are stable: scripts may rely on them. */
public enum FaultCode {
    COMMAND_INVALID(FaultKind.USER, "The command line cannot be read: an option or parameter is unknown or missing."),
    CONFIG_INVALID(FaultKind.USER, "A key of the run's configuration is unknown, missing or out of range."),
    FILE_MISSING(FaultKind.USER, "A file or folder that was named does not exist or cannot be read."),
    FILE_MALFORMED(FaultKind.USER, "A file breaks the rules of its format; pickle files are refused by name."),
    MODEL_UNSUPPORTED(FaultKind.USER, "The model's family, or a setting in its config.json, is not supported."),
    MODEL_MISMATCH(FaultKind.USER, "The model's files do not hold what its config.json asks for."),
    DATA_MALFORMED(FaultKind.USER, "A row of the data cannot be used, and data.malformed-rows is fail."),
    DATA_EMPTY(FaultKind.USER, "The data holds no usable example."),
    DATA_CHANGED(FaultKind.USER, "The data is not what the run began with, so its order cannot be continued."),
    TOKENIZER_INVALID(FaultKind.USER, "The tokenizer is missing, malformed or larger than the model's vocabulary."),
    OUTPUT_REFUSED(FaultKind.USER, "What a command is to write exists already, or cannot be made where it was named."),
    CERTIFICATES_INVALID(
            FaultKind.USER,
            "A node's certificates are missing, unreadable, out of date or not its own, or it needs some to be reached."),
    RUN_DIRECTORY_TAKEN(FaultKind.USER, "The run directory belongs to a run with other settings, or is in use."),
    NODE_UNFIT(FaultKind.USER, "A node has not the cluster's release, Java or class path, or not what a run needs."),
    ADDRESS_UNAVAILABLE(FaultKind.USER, "A node cannot listen at the address that it was given."),
    NODE_UNREACHABLE(FaultKind.USER, "No node of a cluster answers at the address that was named."),
    DEVICE_OUT_OF_MEMORY(
            FaultKind.USER,
            "A GPU has no memory left for what was asked; the message says what holds it and which settings need less."),
    NOT_FINITE(FaultKind.USER, "Too many steps in a row had a loss or gradient that is not finite."),
    CHECKPOINT_CORRUPT(FaultKind.LOST_RESOURCE, "No checkpoint of the run is whole; the message names each defect."),
    STORAGE_FAILED(FaultKind.LOST_RESOURCE, "Writing to the run directory failed: no space, no permission, I/O error."),
    WORKER_LOST(FaultKind.LOST_RESOURCE, "A worker ended without being asked to."),
    FEEDER_LOST(FaultKind.LOST_RESOURCE, "A feeder ended without being asked to."),
    NODE_LOST(
            FaultKind.LOST_RESOURCE, "A node could not join its cluster, was put out of it, or ended before its run."),
    PEER_LOST(
            FaultKind.LOST_RESOURCE,
            "A rank could not finish what all ranks do together: another is gone, or was not heard in time."),
    TIMED_OUT(
            FaultKind.LOST_RESOURCE, "Nothing was heard for run.progress-timeout; the message says what was awaited."),
    OUT_OF_MEMORY(FaultKind.LOST_RESOURCE, "The host has no memory left for what was asked."),
    INTERNAL(FaultKind.BUG, "Something that must not happen has happened. Please report it with the log.");

    private final FaultKind kind;
    private final String meaning;

    FaultCode(FaultKind kind, String meaning) {
        this.kind = kind;
        this.meaning = meaning;
    }

    /** Who must act. */
    public FaultKind kind() {
        return kind;
    }

    /** One sentence for the documents. */
    public String meaning() {
        return meaning;
    }
}
