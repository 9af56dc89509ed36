// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A whole model in half precision against the same in libtorch's operators and autograd. */
final class DecoderPrecisionTest {
    private static final int SEQUENCES = 2;
    private static final int TOKENS = 16;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @EnumSource(
            value = ScalarType.class,
            names = {"BFloat16", "Half"})
    void aModelInHalfPrecisionIsAtMostTwiceAsFarFromFp64AsPlainAten(ScalarType type) {
        torch.manual_seed(3);
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory)) {
            Tensor tokens =
                    torch.randint(0, 29, new long[] {SEQUENCES * TOKENS}).to(ScalarType.Long);
            Tensor dLogits = torch.randn(SEQUENCES * TOKENS, 29).to(ScalarType.BFloat16);
            TinyLlama llama = TinyLlama.load(folder, type);
            Map<String, Tensor> ours = ours(llama, tokens, dLogits.to(type));
            Map<String, Tensor> exact = plain(folder, llama, ScalarType.Double, tokens, dLogits);
            Map<String, Tensor> plain = plain(folder, llama, type, tokens, dLogits);
            assertThat(ours.keySet()).isEqualTo(exact.keySet());
            ours.keySet()
                    .forEach(name -> assertThat(distance(name, ours, exact))
                            .as(name)
                            .isLessThanOrEqualTo(2 * distance(name, plain, exact)));
        }
    }

    @Test
    void aModelInFp64IsThePlainOne() {
        torch.manual_seed(4);
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory)) {
            Tensor tokens =
                    torch.randint(0, 29, new long[] {SEQUENCES * TOKENS}).to(ScalarType.Long);
            Tensor dLogits = torch.randn(SEQUENCES * TOKENS, 29).to(ScalarType.Double);
            TinyLlama llama = TinyLlama.load(folder, ScalarType.Double);
            Map<String, Tensor> ours = ours(llama, tokens, dLogits);
            Map<String, Tensor> plain = plain(folder, llama, ScalarType.Double, tokens, dLogits);
            plain.keySet()
                    .forEach(name ->
                            assertThat(distance(name, ours, plain)).as(name).isLessThan(1e-10));
        }
    }

    /** The logits, and the gradient of each parameter. */
    private static Map<String, Tensor> ours(TinyLlama llama, Tensor tokens, Tensor dLogits) {
        Map<String, Tensor> results = new LinkedHashMap<>();
        try (Decoder model = llama.model(Recompute.NONE);
                Tape tape = new Tape()) {
            SequenceContext context = model.context(SEQUENCES, TOKENS, null);
            Tensor hidden = model.forward(tokens, context, tape);
            results.put("logits", model.logits(hidden));
            model.backward(model.logitsBackward(dLogits, hidden, tape), context, tape);
        }
        llama.parameters().keySet().forEach(name -> results.put(name, llama.gradient(name)));
        return results;
    }

    private static Map<String, Tensor> plain(
            ModelFolder folder, TinyLlama llama, ScalarType type, Tensor tokens, Tensor dLogits) {
        Map<String, Tensor> leaves = llama.leaves(type);
        Tensor logits = new PlainDecoder(folder.config(), leaves).logits(tokens, SEQUENCES);
        logits.mul(dLogits.to(type)).to(ScalarType.Double).sum().backward();
        Map<String, Tensor> results = new LinkedHashMap<>(Map.of("logits", logits.detach()));
        leaves.forEach((name, leaf) -> results.put(name, new Tensor(leaf.grad())));
        return results;
    }

    private static double distance(String name, Map<String, Tensor> actual, Map<String, Tensor> exact) {
        Tensor difference = Objects.requireNonNull(actual.get(name))
                .to(ScalarType.Double)
                .sub(Objects.requireNonNull(exact.get(name)).to(ScalarType.Double));
        return torch.linalg_vector_norm(difference).item_double();
    }
}
