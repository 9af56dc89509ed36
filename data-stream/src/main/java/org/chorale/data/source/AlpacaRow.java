// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Set;

/** A row as Alpaca has them: an instruction, perhaps with an input, in the prompt that Alpaca was published with. */
final class AlpacaRow {
    static final Set<String> TEXTS = Set.of("instruction", "input", "output");

    /** The input may be null instead. */
    static final Set<String> NULLS = Set.of("input");

    private static final String WITH_INPUT = """
            Below is an instruction that describes a task, paired with an input that provides further context. Write a \
            response that appropriately completes the request.

            ### Instruction:
            %s

            ### Input:
            %s

            ### Response:""";

    private static final String WITHOUT_INPUT = """
            Below is an instruction that describes a task. Write a response that appropriately completes the request.

            ### Instruction:
            %s

            ### Response:""";

    private AlpacaRow() {}

    static Example of(RowJson row) throws MalformedRowException {
        String instruction = row.required("instruction");
        JsonNode noInput = row.tree("input");
        String input =
                row.texts().containsKey("input") || (noInput != null && !noInput.isNull()) ? row.required("input") : "";
        String prompt =
                input.isEmpty() ? WITHOUT_INPUT.formatted(instruction) : WITH_INPUT.formatted(instruction, input);
        return PlainRow.pair(prompt, row.required("output"));
    }
}
