// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ContractTest {
    /** Every contract in Ditty's sources and plans, as it is written there; what follows the bar may be marked or not. */
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "tokens:3:i64 -> logits:4:f, z0_pred:4:f, z0_true:4:f, mask:3:b; =",
                "logits:4:f, z0_pred:4:f | ctx.input_ids:3:i64 -> loss:0:f; =",
                "input:3:f | ctx.target:4:f, ctx.mask:3:b -> output:4:f; =",
                "tokens:3:i64 -> logits:4:f; =",
                "name:2:i64, name2:1 -> output:0:f32; =",
                "batch:2:i64 -> batch:2:i64; =",
                "batch:2:i64 -> logits:3:f, hidden:3:f; =",
                "logits:3:f, hidden:3:f -> logits:3:f, hidden:3:f; =",
                "logits:3:f | ctx.target:2:i64, ctx.mask:2:f -> loss:0:f; =",
                "| ctx.hidden_states:3:f -> loss:0:f; =",
                "input:3:f -> output:4:f | ctx.key:2:bf16; =",
                "logits:3:f, ctx.target:2:i64 -> loss:0:f; logits:3:f | ctx.target:2:i64 -> loss:0:f",
                "logits:3:f | target:2:i64 -> loss:0:f; logits:3:f | ctx.target:2:i64 -> loss:0:f",
                "batch:2 -> batch:2:i64, ctx.mask:2:f; batch:2 -> batch:2:i64 | ctx.mask:2:f",
                "batch:2:i64 -> batch:2:i64 | ctx.mask:2:f, ctx.original:2:i64; =",
                "  a : 2 : u8  ,  b:1:b->c:0 ; a:2:u8, b:1:b -> c:0",
                "->; =",
            })
    void aContractIsReadAndWritten(String text, String canonical) {
        assertThat(Contract.parse("it", text)).hasToString(canonical.equals("=") ? text : canonical);
    }

    @ParameterizedTest
    @ValueSource(strings = {"f", "f16", "f32", "f64", "bf16", "i", "i8", "i16", "i32", "i64", "b", "u8"})
    void everyTypeOfDittyIsKnown(String type) {
        assertThat(Contract.parse("it", "x:1:" + type + " -> y:1").inputs())
                .containsExactly(new TensorSpec("x", 1, ElementType.of(type)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '/',
            value = {
                "batch:2:i64/ 12/ there is no \"->\"; must be \"inputs -> outputs\"",
                "a:1 -> b:1 -> c:1/ 12/ there is a second \"->\"; must be one",
                "a:1 | b:1 | c:1 -> d:1/ 11/ there is a second \"|\" on this side of the arrow; must be one",
                "a:1,, b:1 -> c:1/ 5/ there is nothing between two commas; must be name:rank or name:rank:type",
                "a:1, -> c:1/ 5/ there is nothing between two commas; must be name:rank or name:rank:type",
                "batch -> c:1/ 1/ \"batch\" must be name:rank or name:rank:type",
                "a:1:f:g -> c:1/ 1/ \"a:1:f:g\" must be name:rank or name:rank:type",
                "a:1, batch:two:i64 -> c:1/ 6/"
                        + " the rank \"two\" in \"batch:two:i64\" must be a whole number from 0 to 64",
                "a:-1 -> c:1/ 1/ the rank \"-1\" in \"a:-1\" must be a whole number from 0 to 64",
                "a:65 -> c:1/ 1/ the rank \"65\" in \"a:65\" must be a whole number from 0 to 64",
                "a:99999999999 -> c:1/ 1/ the rank \"99999999999\" in \"a:99999999999\" must be a whole number from 0 to 64",
                "a:1:int -> c:1/ 1/ the type \"int\" in \"a:1:int\" must be one of"
                        + " f, f16, f32, f64, bf16, i, i8, i16, i32, i64, b, u8",
                "a:1: -> c:1/ 1/ the type \"\" in \"a:1:\" must be one of"
                        + " f, f16, f32, f64, bf16, i, i8, i16, i32, i64, b, u8",
                "7up:1 -> c:1/ 1/ the name \"7up\" in \"7up:1\" must be letters, digits, _, - and ., a letter or _ first",
                "ctx.:1 -> c:1/ 1/ the name \"\" in \"ctx.:1\" must be letters, digits, _, - and ., a letter or _ first",
                "a:1, a:2 -> c:1/ 6/ a is declared twice on this side of the arrow; must be once",
                "a:1, ctx.b:2 | b:2 -> c:1/ 16/ ctx.b is declared twice on this side of the arrow; must be once",
            })
    void whatIsWrongIsToldWithItsColumn(String text, int column, String problem) {
        ContractException refused =
                catchThrowableOfType(ContractException.class, () -> Contract.parse("TokenMasker", text));
        assertThat(refused)
                .hasMessage("the contract of TokenMasker, \"%s\", column %d: %s".formatted(text, column, problem));
    }

    @Test
    void allProblemsOfATextAreToldAtOnce() {
        ContractException refused =
                catchThrowableOfType(ContractException.class, () -> Contract.parse("it", "a, b:x -> c:1:q"));
        assertThat(refused).message().hasLineCount(3);
    }

    @Test
    void anEndlessContractIsRefusedWithoutBeingShown() {
        ContractException refused = catchThrowableOfType(
                ContractException.class, () -> Contract.parse("it", "a:1, ".repeat(1_000_000) + "b:1 -> c:1"));
        assertThat(refused).message().contains("at most 4096 characters").hasSizeLessThan(200);
    }

    @Test
    void aKindOfTypesIncludesItsTypesAndNoOthers() {
        assertThat(List.of("Half", "Float", "Double", "BFloat16")).allMatch(ElementType.F::includes);
        assertThat(ElementType.F.includes("Long")).isFalse();
        assertThat(ElementType.I.includes("Byte")).isFalse();
        assertThat(ElementType.word("BFloat16")).isEqualTo("bf16");
        assertThat(ElementType.word("ComplexFloat")).isEqualTo("ComplexFloat");
        assertThat(ElementType.of("")).isEqualTo(Optional.empty());
    }
}
