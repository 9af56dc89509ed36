// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;

/** Listing what is in a model must be instant, and must work where libtorch cannot be loaded. */
final class WithoutNativesTest {
    @Test
    void headersAndModelsAreReadBeforeLibtorchIsLoaded() {
        ChildProcess.Result result = ChildProcess.run(
                Reader.class, SafetensorsFileTest.LLAMA.resolveSibling(".").toString());

        assertThat(result.output())
                .isEqualToIgnoringNewLines(
                        "listed 30 tensors, libtorch loaded: false\nread one, libtorch loaded: true\n");
    }

    static final class Reader {
        private Reader() {}

        public static void main(String[] args) throws IOException {
            try (ModelFiles model = ModelFiles.open(Path.of(args[0]))) {
                long types = model.names().stream()
                        .map(name -> model.entry(name).dtype().scalarType())
                        .count();
                System.out.println("listed " + types + " tensors, libtorch loaded: " + loaded());
                try (Tensor tensor = model.tensor("model.norm.weight")) {
                    System.out.println("read one, libtorch loaded: " + loaded());
                }
            }
        }

        private static boolean loaded() throws IOException {
            try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"), StandardCharsets.UTF_8)) {
                return lines.anyMatch(line -> line.contains("libtorch") || line.contains("jnitorch"));
            }
        }
    }
}
