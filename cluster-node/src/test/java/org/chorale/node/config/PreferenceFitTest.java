// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a loss over preferences does not go with is refused when the configuration is read. */
final class PreferenceFitTest {
    private static final String GOOD = "model.path = model\ndata.train.path = train.jsonl\n";
    private static final String DPO = "loss.preference.type = dpo\n";

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "type = dpo",
                "type = dpo, beta = 0.3, variant = ipo, reference = none",
                "type = dpo, label-smoothing = 0.1",
                "type = dpo, precomputed = pairs.logps",
                "type = kto, precomputed = ratings.logps",
                "type = orpo, odds-weight = 0.2",
                "type = kto, desirable-weight = 1.5, undesirable-weight = 0.5"
            })
    void whatALossReadsMayBeSet(String keys) {
        assertThat(problems(GOOD + "loss.preference { " + keys + " }")).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
                    data.packing = true | data.packing = true with loss.preference.type = dpo: the two sequences of an example are not packed; must be false
                    data.truncation = split | data.truncation = split with loss.preference.type = dpo: an answer is judged as a whole; must be cut or error
                    loss.label-smoothing = 0.1 | loss.label-smoothing = 0.1 with loss.preference.type = dpo: it is cross entropy's; must be 0
                    loss.z-loss = 0.1 | loss.z-loss = 0.1 with loss.preference.type = dpo: it is cross entropy's; must be 0
                    loss.router = 0.1 | loss.router = 0.1 with loss.preference.type = dpo: the routers' loss is not added; must be 0 or null
                    evaluation.metric = exact-match | evaluation.metric = exact-match with loss.preference.type = dpo: nothing is decoded; must be loss
                    loss.preference.reference = base | loss.preference.reference = base with model.adapter.type = none: there is no model under an adapter; must be initial
                    pipeline.loss.type = CrossEntropyLoss | pipeline with loss.preference.type = dpo: a pipeline has a loss of its own; leave one of them out
                    """)
    void whatDoesNotGoTogetherIsRefusedByName(String key, String problem) {
        assertThat(problems(GOOD + DPO + key)).contains(problem);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
                    beta = 0.1 | loss.preference.beta = 0.1: loss.preference.type = null does not read it, only dpo or kto does
                    type = simpo | loss.preference.type = simpo: must be one of dpo, orpo, kto
                    type = orpo, beta = 0.1 | loss.preference.beta = 0.1: loss.preference.type = orpo does not read it, only dpo or kto does
                    type = orpo, reference = none | loss.preference.reference = none: loss.preference.type = orpo does not read it, only dpo or kto does
                    type = kto, variant = ipo | loss.preference.variant = ipo: loss.preference.type = kto does not read it, only dpo does
                    type = kto, reference = none | loss.preference.reference = none: kto compares with a reference; must be initial or base
                    type = orpo, precomputed = f | loss.preference.precomputed = FOLDER/f: loss.preference.type = orpo does not read it, only dpo or kto does
                    type = dpo, reference = none, precomputed = f | loss.preference.precomputed = FOLDER/f: loss.preference.reference = none compares with nothing; leave one of them out
                    type = dpo, beta = 0 | loss.preference.beta = 0.0: must be above 0
                    type = dpo, label-smoothing = 0.5 | loss.preference.label-smoothing = 0.5: must be from 0 to below 0.5
                    type = dpo, variant = hinge, label-smoothing = 0.1 | loss.preference.label-smoothing = 0.1: only variant sigmoid has wrong verdicts to allow for
                    type = dpo, betta = 1 | loss.preference.betta (my.conf:3): there is no such key, the nearest is loss.preference.beta
                    """)
    void aMistakeIsToldWithWhatWouldBeRight(String keys, String problem) {
        assertThat(problems(GOOD + "loss.preference { " + keys + " }"))
                .containsExactly(problem.replace("FOLDER", folder.toString()));
    }

    @Test
    void generatedRowsHoldNoPreferences() {
        assertThat(problems("model.path = model\ndata.generate.task = reverse-words\n" + DPO))
                .containsExactly("data.generate.task with loss.preference.type = dpo: it generates no preferences; set"
                        + " data.train.path");
    }

    private List<String> problems(String conf) {
        try {
            Path file = Files.writeString(folder.resolve("my.conf"), conf);
            FaultException refused = catchThrowableOfType(
                    FaultException.class, () -> new RunFile(file, folder).resolve(List.of(), Optional.empty()));
            if (refused == null) {
                return List.of();
            }
            assertThat(refused.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID);
            return refused.fault().message().lines().toList();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
