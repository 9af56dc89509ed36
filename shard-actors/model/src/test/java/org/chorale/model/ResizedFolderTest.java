// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model whose embedding and head get rows for a tokenizer's further tokens. */
final class ResizedFolderTest {
    private static final Path BASE = Path.of("src/test/resources/goldens/llama");
    private static final long ROWS = 199;
    private static final long MORE = 256;
    private static final String EMBEDDING = "model.embed_tokens.weight";
    private static final String HEAD = "lm_head.weight";

    @TempDir
    private Path out;

    @Test
    void oldRowsStayAndNewOnesAreTheirMean() {
        try (TensorScope scope = new TensorScope();
                ModelFolder base = ModelFolder.pretrained(BASE);
                ModelFolder larger = ModelFolder.pretrained(BASE).resized(MORE)) {
            assertThat(larger.config().vocabulary()).isEqualTo(MORE);
            for (String name : List.of(EMBEDDING, HEAD)) {
                Tensor old = value(base, name);
                Tensor all = value(larger, name);
                assertThat(all.narrow(0, 0, ROWS).equal(old)).isTrue();
                Tensor mean = old.to(ScalarType.Double).sum(0).div(Scalars.of((double) ROWS));
                Tensor difference = all.narrow(0, ROWS, MORE - ROWS).sub(mean.unsqueeze(0));
                assertThat(difference.abs().max().item_double()).isLessThan(1e-7);
            }
            assertThat(value(larger, "model.norm.weight").equal(value(base, "model.norm.weight")))
                    .isTrue();
        }
    }

    @Test
    void everyPieceIsWhatItIsInTheWhole() {
        try (TensorScope scope = new TensorScope();
                ModelFolder larger = ModelFolder.pretrained(BASE).resized(MORE)) {
            Tensor whole = value(larger, HEAD).flatten();
            for (long from = 0; from < whole.numel(); from += 1009) {
                long until = Math.min(from + 1009, whole.numel());
                Tensor part = HostTensors.empty(ScalarType.Float, until - from);
                larger.copyInto(HEAD, from, until, part);
                assertThat(part.equal(whole.narrow(0, from, until - from)))
                        .as("from %d", from)
                        .isTrue();
            }
        }
    }

    @Test
    void anotherNumberOfRowsIsAnotherModel() {
        try (ModelFolder base = ModelFolder.pretrained(BASE);
                ModelFolder larger = ModelFolder.pretrained(BASE).resized(MORE);
                ModelFolder same = ModelFolder.pretrained(BASE).resized(ROWS)) {
            assertThat(larger.fingerprint()).isNotEqualTo(base.fingerprint());
            assertThat(same.fingerprint()).isEqualTo(base.fingerprint());
        }
    }

    @Test
    void rowsAreNeitherTakenAwayNorAddedToWhatIsDrawn() {
        assertThatThrownBy(() -> ModelFolder.random(BASE, 1).resized(MORE))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("its weights are drawn; set vocab_size in its config.json");
        assertThatThrownBy(() -> ModelFolder.pretrained(BASE).resized(ROWS - 1))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining(
                        "model.resize-embeddings = 198: the model has 199 rows, and none can be taken away");
    }

    @Test
    void anAdapterMustTrainTheNewRowsAndBringsThemBack() {
        assertThatThrownBy(() -> ModelFolder.pretrained(BASE).resized(MORE).adapted(saving(List.of("lm_head")), 1))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("model.resize-embeddings = 256: the new rows of model.embed_tokens would not be"
                        + " trained; add model.embed_tokens to model.adapter.modules-to-save");
        try (TensorScope scope = new TensorScope();
                ModelFolder larger = ModelFolder.pretrained(BASE)
                        .resized(MORE)
                        .adapted(saving(List.of("lm_head", "embed_tokens")), 1)) {
            larger.adapter()
                    .orElseThrow()
                    .write(out, name -> value(larger, name).add(Scalars.of(1)));
            try (ModelFolder again = ModelFolder.pretrained(BASE).adapted(out)) {
                assertThat(again.config().vocabulary()).isEqualTo(MORE);
                assertThat(value(again, HEAD).equal(value(larger, HEAD).add(Scalars.of(1))))
                        .isTrue();
                assertThat(again.units()).isEqualTo(larger.units());
            }
        }
    }

    private static LoraConfig saving(List<String> modules) {
        return new LoraConfig(
                2,
                2,
                0,
                ModuleSelection.ALL_LINEAR,
                ModuleSelection.NOTHING,
                Map.of(),
                Map.of(),
                false,
                false,
                modules,
                List.of(),
                List.of(),
                Initialize.UNIFORM,
                Optional.empty());
    }

    private static Tensor value(ModelFolder model, String name) {
        ParameterOutline outline = model.units().stream()
                .flatMap(unit -> unit.parameters().stream())
                .filter(parameter -> parameter.name().equals(name))
                .findFirst()
                .orElseThrow();
        Tensor flat = HostTensors.empty(ScalarType.Float, outline.elements());
        model.copyInto(name, 0, outline.elements(), flat);
        return flat.view(outline.shape().stream().mapToLong(Long::longValue).toArray());
    }
}
