// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.ScopedTensors;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.decoder.FeedForwardConfig.Mixture;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.model.layer.KeyValueCache;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RouterBalance;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.LinearOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole models with mixtures of experts, as their configurations have them. */
@ExtendWith(ScopedTensors.class)
final class MixtureDecoderTest {
    private static final String SIZES = """
            "vocab_size": 29, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.3""";

    private static final int TOKENS = 8;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"model_type\": \"mixtral\"",
                "\"model_type\": \"mixtral\", \"num_local_experts\": 3, \"num_experts_per_tok\": 1",
                "\"model_type\": \"qwen3_moe\", \"num_experts\": 5, \"num_experts_per_tok\": 2",
                "\"model_type\": \"qwen3_moe\", \"num_local_experts\": 3, \"num_experts_per_tok\": 3,"
                        + " \"norm_topk_prob\": true, \"moe_intermediate_size\": 16",
                "\"model_type\": \"qwen3_moe\", \"num_experts\": 4, \"num_experts_per_tok\": 1,"
                        + " \"moe_intermediate_size\": 16, \"decoder_sparse_step\": 2",
                "\"model_type\": \"qwen3_moe\", \"num_experts\": 4, \"num_experts_per_tok\": 2,"
                        + " \"moe_intermediate_size\": 16, \"mlp_only_layers\": [0, 2]"
            })
    void everyConfigurationGivesWhatAutogradGives(String keys) {
        try (ModelFolder folder = folder(keys)) {
            TinyLlama model = TinyLlama.load(folder, ScalarType.Double);
            Tensor dLogits = torch.randn(2 * TOKENS, 29).to(ScalarType.Double);
            Map<String, Tensor> leaves = model.leaves(ScalarType.Double);
            Tensor logits = new PlainDecoder(folder.config(), leaves).logits(tokens(), 2);
            logits.mul(dLogits).sum().backward();
            assertThat(distance(run(model, dLogits, null, Recompute.NONE), logits.detach()))
                    .isLessThan(1e-10);
            leaves.forEach((name, leaf) -> assertThat(distance(model.gradient(name), leaf.grad()))
                    .as(name)
                    .isLessThan(1e-9));
        }
    }

    @Test
    void adaptersOnRoutersAndExpertsGiveWhatAutogradGives() {
        try (ModelFolder folder = folder("\"model_type\": \"mixtral\"").adapted(LoraConfig.allLinear(3, 6), 1)) {
            TinyLlama model = TinyLlama.load(folder, ScalarType.Double);
            assertThat(model.parameters())
                    .containsKeys(
                            "model.layers.0.block_sparse_moe.gate.lora_A.weight",
                            "model.layers.2.block_sparse_moe.experts.7.w2.lora_B.weight");
            Tensor dLogits = torch.randn(2 * TOKENS, 29).to(ScalarType.Double);
            Map<String, Tensor> leaves = model.leaves(ScalarType.Double);
            Tensor logits = new PlainDecoder(folder.config(), leaves).logits(tokens(), 2);
            logits.mul(dLogits).sum().backward();
            assertThat(distance(run(model, dLogits, null, Recompute.NONE), logits.detach()))
                    .isLessThan(1e-10);
            model.parameters().values().stream()
                    .filter(parameter -> parameter.trainable())
                    .forEach(parameter -> assertThat(distance(
                                    Objects.requireNonNull(parameter.gradient()),
                                    Objects.requireNonNull(leaves.get(parameter.name()))
                                            .grad()))
                            .as(parameter.name())
                            .isLessThan(1e-9));
        }
    }

    /** The loss as Transformers computes it, over the routers of all layers together. */
    @Test
    void aLossOfTheRoutersReachesWhatAutogradReaches() {
        int experts = 8;
        try (ModelFolder folder = folder("\"model_type\": \"mixtral\"");
                Tape tape = new Tape()) {
            TinyLlama tiny = TinyLlama.load(folder, ScalarType.Double);
            double[] real = new double[2 * TOKENS];
            Arrays.fill(real, 0, 13, 1); // three tokens of padding
            Tensor counted = HostTensors.ofDoubles(real, real.length, 1);
            Map<String, Tensor> leaves = tiny.leaves(ScalarType.Double);
            PlainDecoder plain = new PlainDecoder(folder.config(), leaves);
            plain.logits(tokens(), 2);
            TensorVector ofLayers = new TensorVector();
            plain.probabilities().forEach(layer -> ofLayers.push_back(layer.narrow(0, 0, 13)));
            Tensor probabilities = torch.cat(ofLayers, 0); // [3·13, E]
            Tensor chosen = torch.topk(probabilities, 2, 1, true, true).get1();
            Tensor shares = torch.one_hot(chosen, experts)
                    .to(ScalarType.Double)
                    .mean(new long[] {0}, false, new ScalarTypeOptional()); // [k, E]
            Tensor means = probabilities.mean(new long[] {0}, false, new ScalarTypeOptional()); // [E]
            shares.mul(means).sum().mul(Scalars.of(experts)).backward();

            try (Decoder model = tiny.model(Recompute.NONE)) {
                SequenceContext context = model.context(2, TOKENS, null);
                Tensor sums = HostTensors.zeros(ScalarType.Double, 2, experts);
                Tensor hidden =
                        model.forward(tokens(), context.withBalance(RouterBalance.counting(counted, sums)), tape);
                Tensor slope = sums.narrow(0, 0, 1).mul(Scalars.of((double) experts / (39 * 39)));
                model.backward(
                        torch.zeros_like(hidden), context.withBalance(RouterBalance.correcting(counted, slope)), tape);
                assertThat(distance(sums.select(0, 1).div(Scalars.of(39)), means.detach()))
                        .isLessThan(1e-12);
            }
            assertThat(leaves.entrySet().stream()
                            .filter(leaf -> leaf.getValue().grad().defined()))
                    .hasSizeGreaterThan(40)
                    .allSatisfy(leaf -> assertThat(distance(
                                    tiny.gradient(leaf.getKey()),
                                    leaf.getValue().grad()))
                            .as(leaf.getKey())
                            .isLessThan(1e-12));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"SELECTIVE", "FULL"})
    void recomputationSendsEveryRowToTheSameExperts(Recompute recompute) {
        LoraConfig lora = LoraConfig.allLinear(3, 6).dropping(0.3);
        try (ModelFolder folder = folder("\"model_type\": \"mixtral\"").adapted(lora, 1)) {
            TinyLlama model = TinyLlama.load(folder, ScalarType.BFloat16);
            Tensor dLogits = torch.randn(2 * TOKENS, 29).to(ScalarType.BFloat16);
            DropoutKeys keys = DropoutKeys.of(1, 2, new long[] {3, 4}, TOKENS);
            Tensor logits = run(model, dLogits, keys, Recompute.NONE);
            Map<String, Tensor> gradients = new LinkedHashMap<>();
            model.parameters().values().stream()
                    .filter(parameter -> parameter.trainable())
                    .forEach(parameter -> {
                        gradients.put(
                                parameter.name(),
                                model.gradient(parameter.name()).clone());
                        model.gradient(parameter.name()).zero_();
                    });
            assertThat(run(model, dLogits, keys, recompute).equal(logits)).isTrue();
            assertThat(gradients).hasSizeGreaterThan(100);
            gradients.forEach((name, gradient) ->
                    assertThat(model.gradient(name).equal(gradient)).as(name).isTrue());
        }
    }

    @Test
    void packedDocumentsGiveWhatTheyGiveAlone() {
        try (ModelFolder folder = folder("\"model_type\": \"mixtral\"");
                Decoder model = TinyLlama.load(folder, ScalarType.Double).model(Recompute.NONE);
                Tape dropped = new Tape()) {
            long[] positions = {0, 1, 2, 0, 1, 2, 3, 4};
            long[] documents = {0, 0, 0, 1, 1, 1, 1, 1};
            Tensor tokens = tokens().narrow(0, 0, TOKENS);
            Tensor packed = model.forward(tokens, model.packedContext(1, TOKENS, positions, documents), dropped);
            Tensor first = model.forward(tokens.narrow(0, 0, 3), model.context(1, 3, null), dropped);
            Tensor second = model.forward(tokens.narrow(0, 3, 5), model.context(1, 5, null), dropped);
            assertThat(distance(packed, torch.cat(new TensorVector(first, second), 0)))
                    .isLessThan(1e-10);
        }
    }

    @Test
    void tokenByTokenGivesWhatTheWholeGives() {
        try (ModelFolder folder = folder("\"model_type\": \"mixtral\"");
                Decoder model = TinyLlama.load(folder, ScalarType.Double).model(Recompute.NONE);
                KeyValueCache cache = model.newCache();
                Tape dropped = new Tape()) {
            Tensor tokens = tokens().narrow(0, 0, TOKENS);
            Tensor whole = model.forward(tokens, model.context(1, TOKENS, null), dropped);
            for (int i = 0; i < TOKENS; i++) {
                assertThat(distance(model.extend(tokens.narrow(0, i, 1), cache), whole.narrow(0, i, 1)))
                        .isLessThan(1e-10);
            }
        }
    }

    @Test
    void denseLayersStandAmongTheSparseOnes() {
        try (ModelFolder folder = folder("\"model_type\": \"qwen3_moe\", \"num_experts\": 4,"
                + " \"num_experts_per_tok\": 2, \"decoder_sparse_step\": 2")) {
            assertThat(folder.config().blocks().stream().map(block -> block.inner() instanceof Mixture))
                    .containsExactly(false, true, false);
            assertThat(folder.config().mixtures().findFirst().orElseThrow().normalised())
                    .isFalse();
        }
    }

    @Test
    void routersNeverMultiplyFp8() {
        try (ModelFolder folder = folder("\"model_type\": \"mixtral\"")) {
            assertThat(folder.config().fp8Linears().stream().map(LinearOutline::module))
                    .contains("model.layers.0.block_sparse_moe.experts.0.w1")
                    .doesNotContain("model.layers.0.block_sparse_moe.gate");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "mixtral | 'router_jitter_noise': 0.1 | router_jitter_noise = 0.1: only 0 is supported",
                "mixtral | 'num_experts_per_tok': 9 | num_experts_per_tok = 9: must be no more than the 8 experts",
                "mixtral | 'num_local_experts': 0 | num_local_experts = 0: must be a whole number from 1 to 4096",
                "mixtral | 'num_experts': 4, 'num_local_experts': 8 | must be the same number where both are given",
                "mixtral | 'router_aux_loss_coef': -1 | router_aux_loss_coef = -1: must be a number, 0 or above",
                "mixtral | 'router_aux_loss_coef': 'a' | router_aux_loss_coef = \"a\": must be a number, 0 or above",
                "qwen3_moe | 'mlp_only_layers': [3] | mlp_only_layers: 3: the model has the layers 0 to 2",
                "qwen3_moe | 'mlp_only_layers': 1 | mlp_only_layers = 1: must be a list of layers' numbers",
                "qwen3_moe | 'decoder_sparse_step': 0 | decoder_sparse_step = 0: must be a whole number from 1"
            })
    void whatCannotBeIsRefusedByName(String family, String keys, String problem) {
        assertThatThrownBy(() -> folder("\"model_type\": \"%s\", %s".formatted(family, keys.replace('\'', '"'))))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining(problem);
    }

    private ModelFolder folder(String keys) {
        return TinyLlama.folder(directory, "{%s, %s}".formatted(SIZES, keys));
    }

    private static Tensor run(TinyLlama tiny, Tensor dLogits, @Nullable DropoutKeys keys, Recompute recompute) {
        try (Decoder model = tiny.model(recompute);
                Tape tape = new Tape()) {
            SequenceContext plain = model.context(2, TOKENS, null);
            SequenceContext context = keys == null ? plain : plain.withDropout(keys);
            Tensor hidden = model.forward(tokens(), context, tape);
            Tensor logits = model.logits(hidden);
            model.backward(model.logitsBackward(dLogits, hidden, tape), context, tape);
            return logits;
        }
    }

    private static Tensor tokens() {
        long[] tokens = new long[2 * TOKENS];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = (i * 7L + i / 5) % 29;
        }
        return HostTensors.ofLongs(tokens, tokens.length);
    }

    private static double distance(Tensor a, Tensor b) {
        return a.sub(b).abs().max().item_double();
    }
}
