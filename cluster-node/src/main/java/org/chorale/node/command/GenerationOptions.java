// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.model.generation.Sampling;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What {@code chorale generate} may be told. */
final class GenerationOptions {
    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            description = "What the model goes on from; - reads it from stdin.")
    Optional<String> prompt = Optional.empty();

    @Option(names = "--adapter", paramLabel = "DIR", description = "A PEFT folder with a LoRA adapter for the model.")
    Optional<Path> adapter = Optional.empty();

    @Option(
            names = "--max-new-tokens",
            paramLabel = "N",
            defaultValue = "256",
            description = "The longest answer in tokens. Default: ${DEFAULT-VALUE}.")
    long maxNewTokens;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            description = "Draws tokens, the less likely ones more often the higher it is; 0 takes the likeliest. "
                    + "Default: 1 where another option of drawing is given, 0 elsewhere.")
    Optional<Double> temperature = Optional.empty();

    @Option(names = "--top-k", paramLabel = "K", description = "Draws from the K likeliest tokens only.")
    Optional<Integer> topK = Optional.empty();

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Draws from the likeliest tokens that together have probability P only.")
    Optional<Double> topP = Optional.empty();

    @Option(names = "--seed", paramLabel = "S", description = "Decides what is drawn. Default: 0.")
    Optional<Long> seed = Optional.empty();

    @Option(names = "--chat", description = "The prompt is a user's message, rendered by the model's chat template.")
    boolean chat;

    @Option(names = "--system", paramLabel = "TEXT", description = "A conversation's system message.")
    Optional<String> system = Optional.empty();

    @Option(names = "--no-stream", description = "Print the answer when it is whole.")
    boolean whole;

    /** @throws FaultException with a line per problem */
    Sampling sampling() {
        boolean draws = Stream.of(topK, topP, seed).anyMatch(Optional::isPresent);
        double heat = temperature.orElse(draws ? 1.0 : 0.0);
        List<String> problems = new ArrayList<>();
        if (maxNewTokens < 1) {
            problems.add("--max-new-tokens = " + maxNewTokens + ": must be at least 1");
        }
        if (draws && heat == 0) {
            problems.add("--temperature = 0 takes the likeliest token always: leave --top-k, --top-p and --seed out");
        }
        @Nullable Sampling sampling = null;
        try {
            sampling = new Sampling(heat, topK.orElse(0), topP.orElse(1.0), seed.orElse(0L));
        } catch (IllegalArgumentException e) {
            String.valueOf(e.getMessage()).lines().forEach(line -> problems.add("--" + line));
        }
        if (sampling == null || !problems.isEmpty()) {
            throw new FaultException(FaultCode.COMMAND_INVALID, String.join("\n", problems));
        }
        return sampling;
    }
}
