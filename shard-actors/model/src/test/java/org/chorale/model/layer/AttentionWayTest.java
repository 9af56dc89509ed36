// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.Context;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.model.layer.AttentionSettings.Preference;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Operator;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.device.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Which way is taken on a GPU, and what its kernel is given: all that can be said of it without one. */
@ExtendWith(ScopedTensors.class)
final class AttentionWayTest {
    private static final Sight CAUSAL = new Sight(true, Sight.EVERYTHING, null, null);
    private static final AttentionSettings AUTO = new AttentionSettings(Preference.AUTO, false);

    @ParameterizedTest
    @CsvSource({
        "BFloat16, 64, FLASH",
        "Half, 128, FLASH",
        "BFloat16, 256, FLASH",
        "BFloat16, 264, PLAIN",
        "Half, 12, PLAIN",
        "Float, 64, EFFICIENT",
        "Float, 12, EFFICIENT",
        "Float, 6, PLAIN",
        "Double, 64, PLAIN"
    })
    void dtypeAndWidthDecide(ScalarType type, long width, AttentionWay way) {
        assertThat(AttentionWay.onGpu(type, width, 4, CAUSAL)).isEqualTo(way);
    }

    @Test
    void aMaskGoesThePlainWay() {
        Sight masked = new Sight(false, Sight.EVERYTHING, torch.zeros(1, 1, 4, 4), null);
        assertThat(AttentionWay.onGpu(ScalarType.BFloat16, 64, 4, masked)).isEqualTo(AttentionWay.PLAIN);
        assertThat(AttentionWay.onGpu(ScalarType.Float, 64, 4, masked)).isEqualTo(AttentionWay.PLAIN);
    }

    @Test
    void aWindowIsFlashsAlone() {
        Sight window = new Sight(true, 8, null, null);
        assertThat(AttentionWay.onGpu(ScalarType.BFloat16, 64, 4, window)).isEqualTo(AttentionWay.FLASH);
        assertThat(AttentionWay.onGpu(ScalarType.Float, 64, 4, window)).isEqualTo(AttentionWay.PLAIN);
        assertThat(AttentionWay.suitsCudnn(64, 16, window)).isFalse();
        assertThat(CudaFlash.forwardArguments(tensor(), tensor(), tensor(), window)[11])
                .isEqualTo(7L);
    }

    @Test
    void moreSequencesThanAGridHoldsGoThePlainWay() {
        assertThat(AttentionWay.onGpu(ScalarType.BFloat16, 64, 65_535, CAUSAL)).isEqualTo(AttentionWay.FLASH);
        assertThat(AttentionWay.onGpu(ScalarType.BFloat16, 64, 65_536, CAUSAL)).isEqualTo(AttentionWay.PLAIN);
        long[] manyDocuments = new long[65_536];
        Arrays.setAll(manyDocuments, i -> i);
        PackedDocuments packed = PackedDocuments.of(Device.CPU, manyDocuments.length, manyDocuments);
        Sight crowded = new Sight(true, Sight.EVERYTHING, null, packed);
        assertThat(AttentionWay.onGpu(ScalarType.BFloat16, 64, 1, crowded)).isEqualTo(AttentionWay.PLAIN);
    }

    @Test
    void cudnnTakesWholeCausalSequences() {
        assertThat(AttentionWay.suitsCudnn(128, 2048, CAUSAL)).isTrue();
        assertThat(AttentionWay.suitsCudnn(256, 2048, CAUSAL)).isFalse();
        assertThat(AttentionWay.suitsCudnn(128, 1, CAUSAL)).isFalse();
        assertThat(AttentionWay.suitsCudnn(128, 2048, new Sight(false, Sight.EVERYTHING, null, null)))
                .isFalse();
        assertThat(AttentionWay.suitsCudnn(128, 2048, packed())).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"1.0, 2.0, FLASH", "2.0, 1.0, CUDNN", "1.0, 1.0, FLASH"})
    void theFasterOneIsTaken(double flashMillis, double cudnnMillis, AttentionWay expected) {
        AttentionChoice choice =
                new AttentionChoice(AUTO, (way, q, k, v) -> way == AttentionWay.FLASH ? flashMillis : cudnnMillis);
        assertThat(choice.way(tensor(), tensor(), tensor())).isEqualTo(expected);
    }

    @Test
    void aShapeIsMeasuredOnce() {
        List<AttentionWay> measured = new ArrayList<>();
        AttentionChoice choice = new AttentionChoice(AUTO, (way, q, k, v) -> {
            measured.add(way);
            return measured.size(); // what comes first is faster
        });
        AttentionWay first = choice.way(tensor(), tensor(), tensor());
        AttentionWay again = choice.way(tensor(), tensor(), tensor());
        assertThat(first).isEqualTo(AttentionWay.CUDNN).isEqualTo(again);
        assertThat(measured).containsExactly(AttentionWay.CUDNN, AttentionWay.FLASH);
    }

    @Test
    void whatCudnnRefusesIsFlashsAndNotTriedAgain() {
        List<AttentionWay> tried = new ArrayList<>();
        AttentionChoice choice = new AttentionChoice(new AttentionSettings(Preference.CUDNN, false), (way, q, k, v) -> {
            tried.add(way);
            throw new IllegalStateException("No valid execution plans built.");
        });
        assertThat(choice.way(tensor(), tensor(), tensor())).isEqualTo(AttentionWay.FLASH);
        assertThat(choice.way(tensor(), tensor(), tensor())).isEqualTo(AttentionWay.FLASH);
        assertThat(tried).containsExactly(AttentionWay.CUDNN);
    }

    @Test
    void lengthsThatKeepChangingAreNotMeasuredForEver() {
        List<Long> measured = new ArrayList<>();
        AttentionChoice choice = new AttentionChoice(AUTO, (way, q, k, v) -> {
            measured.add(q.size(1));
            return way == AttentionWay.CUDNN ? 1 : 2;
        });
        for (long tokens = 1; tokens <= 20; tokens++) {
            Tensor q = torch.zeros(1, tokens, 2, 8);
            AttentionWay expected =
                    tokens <= AttentionChoice.MAX_MEASURED_SHAPES ? AttentionWay.CUDNN : AttentionWay.FLASH;
            assertThat(choice.way(q, q, q)).isEqualTo(expected);
        }
        assertThat(measured).hasSize(2 * AttentionChoice.MAX_MEASURED_SHAPES);
        Tensor known = torch.zeros(1, 3, 2, 8);
        assertThat(choice.way(known, known, known)).isEqualTo(AttentionWay.CUDNN);
    }

    @ParameterizedTest
    @CsvSource({"FLASH, false, FLASH", "AUTO, true, FLASH", "CUDNN, false, CUDNN"})
    void settingsComeBeforeMeasurements(Preference preference, boolean deterministic, AttentionWay expected) {
        List<AttentionWay> measured = new ArrayList<>();
        AttentionChoice choice =
                new AttentionChoice(new AttentionSettings(preference, deterministic), (way, q, k, v) -> {
                    measured.add(way);
                    return 1;
                });
        assertThat(choice.way(tensor(), tensor(), tensor())).isEqualTo(expected);
        assertThat(measured).doesNotContain(AttentionWay.FLASH);
    }

    @Test
    void settingsAreReadStrictly() {
        Properties properties = new Properties();
        assertThat(AttentionSettings.read(properties)).isEqualTo(AUTO);
        properties.setProperty("chorale.attention", "flash");
        properties.setProperty("chorale.attention.deterministic", "true");
        assertThat(AttentionSettings.read(properties)).isEqualTo(new AttentionSettings(Preference.FLASH, true));
        properties.setProperty("chorale.attention", "cudnn");
        assertThatThrownBy(() -> AttentionSettings.read(properties))
                .hasMessage("-Dchorale.attention=cudnn and -Dchorale.attention.deterministic=true:"
                        + " cuDNN's backward is not deterministic, flash's is");
        properties.setProperty("chorale.attention.deterministic", "yes");
        assertThatThrownBy(() -> AttentionSettings.read(properties))
                .hasMessage("-Dchorale.attention.deterministic=yes: it is true or false");
        properties.setProperty("chorale.attention", "Flash");
        assertThatThrownBy(() -> AttentionSettings.read(properties))
                .hasMessage("-Dchorale.attention=Flash: it is auto, flash or cudnn");
    }

    @Test
    void determinismIsAskedForTheCallAlone() {
        Context context = torch.globalContext();
        boolean filled = context.deterministicFillUninitializedMemory();
        assertThat(Determinism.during(
                        () -> context.deterministicAlgorithms() && !context.deterministicFillUninitializedMemory()))
                .isTrue();
        assertThatThrownBy(() -> Determinism.during(() -> {
                    throw new IllegalStateException("no memory");
                }))
                .hasMessage("no memory");
        assertThat(context.deterministicAlgorithms()).isFalse();
        assertThat(context.deterministicFillUninitializedMemory()).isEqualTo(filled);
    }

    enum Documents {
        WHOLE,
        PACKED
    }

    /** A call whose arguments do not fit reads wild memory: the dispatcher does not count them. */
    @ParameterizedTest
    @EnumSource
    void argumentsFitTheSchemas(Documents documents) {
        Sight sight = documents == Documents.PACKED ? packed() : CAUSAL;
        Tensor q = torch.zeros(2, 6, 4, 8);
        Tensor k = torch.zeros(2, 6, 2, 8);
        Attended attended = new Attended(q, torch.zeros(2, 4, 6));
        assertFits(CudaFlash.FORWARD, CudaFlash.forwardArguments(q, k, k, sight));
        assertFits(CudaFlash.BACKWARD, CudaFlash.backwardArguments(q, q, k, k, attended, sight));
        assertFits(EfficientAttention.FORWARD, EfficientAttention.forwardArguments(q, k, k, sight));
        assertFits(EfficientAttention.BACKWARD, EfficientAttention.backwardArguments(q, q, k, k, attended, sight));
        if (documents == Documents.WHOLE) {
            assertFits(CudnnAttention.FORWARD, CudnnAttention.forwardArguments(q, k, k, sight));
            assertFits(CudnnAttention.BACKWARD, CudnnAttention.backwardArguments(q, q, k, k, attended, sight));
        }
    }

    @Test
    void theEfficientKernelGetsAHeadForEachQueryHead() {
        Tensor q = torch.zeros(2, 6, 4, 8);
        Tensor k = torch.arange(Scalars.of(2 * 6 * 2 * 8)).view(2, 6, 2, 8);
        Tensor repeated = (Tensor) EfficientAttention.forwardArguments(q, k, k, CAUSAL)[1];
        for (long head = 0; head < 4; head++) {
            assertThat(repeated.select(2, head).equal(k.select(2, head / 2))).isTrue();
        }
        Tensor rows = (Tensor) EfficientAttention.forwardArguments(q, k, k, packed())[1];
        assertThat(rows.equal(repeated.flatten(0, 1).unsqueeze(0))).isTrue();
    }

    /** Six documents of two tokens in two sequences. */
    private static Sight packed() {
        long[] documents = {0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2};
        return new Sight(true, Sight.EVERYTHING, null, PackedDocuments.of(Device.CPU, 6, documents));
    }

    private static void assertFits(String operator, Object[] arguments) {
        String schema = torch.toString(
                        Dispatcher.singleton().findSchemaOrThrow(operator, "").schema())
                .getString();
        Matcher declared = Pattern.compile("\\((.*?)\\) ->").matcher(schema);
        assertThat(declared.find()).isTrue();
        List<String> parameters = Pattern.compile(", ")
                .splitAsStream(declared.group(1))
                .filter(parameter -> !parameter.equals("*"))
                .toList();
        assertThat(arguments).as(schema).hasSameSizeAs(parameters);
        for (int i = 0; i < arguments.length; i++) {
            String type = parameters.get(i).substring(0, parameters.get(i).indexOf(' '));
            assertThat(kinds(type)).as(parameters.get(i) + " of " + schema).contains(kind(arguments[i]));
        }
    }

    private static List<String> kinds(String type) {
        return switch (type) {
            case "Tensor" -> List.of("tensor", "undefined");
            case "Tensor?" -> List.of("tensor", "none");
            case "SymInt", "int" -> List.of("integer");
            case "SymInt?", "int?" -> List.of("integer", "none");
            case "float" -> List.of("number");
            case "float?" -> List.of("number", "none");
            case "bool" -> List.of("truth");
            default -> throw new IllegalArgumentException(type);
        };
    }

    private static String kind(Object argument) {
        if (argument instanceof Tensor) {
            return "tensor";
        } else if (argument instanceof Long) {
            return "integer";
        } else if (argument instanceof Double) {
            return "number";
        } else if (argument instanceof Boolean) {
            return "truth";
        }
        return argument == Operator.NONE ? "none" : argument == Operator.UNDEFINED ? "undefined" : "wrong";
    }

    private static Tensor tensor() {
        return torch.zeros(2, 4, 2, 8);
    }
}
