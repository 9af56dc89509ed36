// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.DocumentSpan;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Packed documents give what each of them gives alone, gradients included. */
final class PackedDecoderTest {
    private static final int TOKENS = 12;

    /** Two rows: documents of 5, 1 and 4 tokens and 2 of padding; 6 and 6 without any. */
    private static final int[][] LENGTHS = {{5, 1, 4}, {6, 6}};

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({"Double, 1e-10, NONE", "Double, 1e-10, SELECTIVE", "Double, 1e-10, FULL", "Float, 2e-4, NONE"})
    void aPackedBatchGivesWhatItsDocumentsGiveOneByOne(ScalarType type, double tolerance, Recompute recompute) {
        torch.manual_seed(5);
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory)) {
            long[] positions = new long[LENGTHS.length * TOKENS];
            long[] documents = new long[positions.length];
            Arrays.fill(documents, -1);
            TinyLlama llama = TinyLlama.load(folder, type);
            Tensor tokens = torch.randint(0, 29, new long[] {positions.length}).to(ScalarType.Long);
            Tensor dHidden = torch.randn(positions.length, 24).to(type);
            Tensor expected = torch.zeros(positions.length, 24).to(type);
            for (int row = 0; row < LENGTHS.length; row++) {
                int begin = row * TOKENS;
                for (int document = 0; document < LENGTHS[row].length; document++) {
                    int length = LENGTHS[row][document];
                    for (int t = 0; t < length; t++) {
                        positions[begin + t] = t;
                        documents[begin + t] = document;
                    }
                    Tensor alone = run(
                            llama, tokens.narrow(0, begin, length), dHidden.narrow(0, begin, length), recompute, null);
                    expected.narrow(0, begin, length).copy_(alone);
                    begin += length;
                }
                dHidden.narrow(0, begin, (row + 1) * TOKENS - begin).zero_(); // nobody reads the padding
            }
            Map<String, Tensor> gradients = new LinkedHashMap<>();
            llama.parameters().keySet().forEach(name -> {
                gradients.put(name, llama.gradient(name).clone());
                llama.gradient(name).zero_();
            });
            Tensor packed = run(llama, tokens, dHidden, recompute, new Packing(positions, documents));
            Tensor real = HostTensors.ofLongs(documents, documents.length, 1).ge(Scalars.of(0));
            assertThat(packed.mul(real).sub(expected).abs().max().item_double()).isLessThan(tolerance);
            gradients.forEach((name, gradient) -> {
                if (!name.equals("lm_head.weight")) {
                    assertThat(llama.gradient(name).sub(gradient).abs().max().item_double())
                            .as(name)
                            .isLessThan(tolerance);
                    assertThat(gradient.abs().max().item_double()).as(name).isPositive();
                }
            });
        }
    }

    @Test
    void documentsOfEqualLengthShareASpan() {
        long[] documents = {0, 0, 1, 1, 2, -1, 0, 0, 0, 1, 1, 1};
        assertThat(DocumentSpan.of(6, documents))
                .containsExactly(new DocumentSpan(0, 2, 2), new DocumentSpan(4, 1, 1), new DocumentSpan(6, 3, 2));
        assertThat(DocumentSpan.of(3, new long[] {0, 0, 0, 0, 0, 0})).containsExactly(new DocumentSpan(0, 3, 2));
        assertThat(DocumentSpan.of(2, new long[] {-1, -1})).isEmpty();
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Packing(long[] positions, long[] documents) {}

    /** @return hidden states; adds to the gradients */
    private static Tensor run(
            TinyLlama llama, Tensor tokens, Tensor dHidden, Recompute recompute, @Nullable Packing packing) {
        try (Decoder model = llama.model(recompute);
                Tape tape = new Tape()) {
            SequenceContext context = packing == null
                    ? model.context(1, tokens.size(0), null)
                    : model.packedContext(LENGTHS.length, TOKENS, packing.positions(), packing.documents());
            Tensor hidden = model.forward(tokens, context, tape);
            model.backward(dHidden, context, tape);
            return hidden;
        }
    }
}
