// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.chorale.model.outline.InvalidModelException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class StopTokensTest {
    @TempDir
    private Path folder;

    @Test
    void theGenerationFileHasTheSayAndMayNameSeveral() throws IOException {
        write("config.json", "{\"eos_token_id\": 2}");
        assertThat(StopTokens.of(folder)).containsExactly(2L);
        write("generation_config.json", "{\"eos_token_id\": [128001, 128009]}");
        assertThat(StopTokens.of(folder)).containsExactly(128_001L, 128_009L);
        write("generation_config.json", "{\"eos_token_id\": null}");
        assertThat(StopTokens.of(folder)).containsExactly(2L);
        write("config.json", "{}");
        assertThat(StopTokens.of(folder)).isEmpty();
    }

    @Test
    void whatIsNoIdIsRefusedWithItsFile() throws IOException {
        write("config.json", "{}");
        for (String id : new String[] {"\"</s>\"", "-1", "[1, 2.5]", "{\"a\": 1}"}) {
            write("generation_config.json", "{\"eos_token_id\": " + id + "}");
            assertThatThrownBy(() -> StopTokens.of(folder))
                    .isInstanceOf(InvalidModelException.class)
                    .hasMessageContaining("generation_config.json: eos_token_id = ")
                    .hasMessageContaining("must be a token's id, or a list of them");
        }
    }

    private void write(String name, String json) throws IOException {
        Files.writeString(folder.resolve(name), json);
    }
}
