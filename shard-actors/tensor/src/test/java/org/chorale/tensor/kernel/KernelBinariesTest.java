// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelBinariesTest {
    private static final KernelSource SOURCE = new KernelSource("a.cu", "text", Map.of("SCALAR", "bf16", "LANES", "8"));

    @TempDir
    private Path folder;

    /** Answers with its options, and notes that it was asked. */
    private static final class NotingCompiler implements KernelCompiler {
        private final String version;
        private final List<String> compiled = new ArrayList<>();

        NotingCompiler(String version) {
            this.version = version;
        }

        @Override
        public String version() {
            return version;
        }

        @Override
        public byte[] compile(KernelSource source, List<String> options) {
            compiled.add(source.name());
            return String.join(" ", options).getBytes(StandardCharsets.UTF_8);
        }
    }

    @Test
    void aSourceIsCompiledOnceForAllProcessesThatShareTheCache() {
        NotingCompiler first = new NotingCompiler("13.0");
        NotingCompiler second = new NotingCompiler("13.0");
        byte[] code = new KernelBinaries(first, new KernelCache(folder)).of(SOURCE, 90);
        assertThat(new KernelBinaries(second, new KernelCache(folder)).of(SOURCE, 90))
                .isEqualTo(code);
        assertThat(first.compiled).containsExactly("a.cu");
        assertThat(second.compiled).isEmpty();
    }

    @Test
    void aDamagedFileIsCompiledAgainAndReplaced() throws Exception {
        NotingCompiler compiler = new NotingCompiler("13.0");
        KernelBinaries binaries = new KernelBinaries(compiler, new KernelCache(folder));
        byte[] code = binaries.of(SOURCE, 90);
        try (Stream<Path> files = Files.list(folder)) {
            Files.writeString(files.findFirst().orElseThrow(), "something else");
        }
        assertThat(binaries.of(SOURCE, 90)).isEqualTo(code);
        assertThat(binaries.of(SOURCE, 90)).isEqualTo(code);
        assertThat(compiler.compiled).hasSize(2);
    }

    @Test
    void theCompilerIsToldArchitectureStandardAndMacros() {
        assertThat(SOURCE.options(90))
                .containsExactly(
                        "--gpu-architecture=sm_90",
                        "--std=c++17",
                        "--device-as-default-execution-space",
                        "-DLANES=8",
                        "-DSCALAR=bf16");
    }

    @Test
    void theKeyChangesWithWhateverChangesTheCode() {
        Set<String> keys = new HashSet<>();
        keys.add(SOURCE.key(90, "13.0"));
        keys.add(SOURCE.key(80, "13.0"));
        keys.add(SOURCE.key(90, "13.1"));
        keys.add(new KernelSource("a.cu", "texts", SOURCE.definitions()).key(90, "13.0"));
        keys.add(new KernelSource("a.cu", "text", Map.of("SCALAR", "bf16", "LANES", "1")).key(90, "13.0"));
        keys.add(new KernelSource("a.cu", "text", Map.of("SCALAR", "bf16")).key(90, "13.0"));
        assertThat(keys).hasSize(6).allMatch(key -> key.matches("[0-9a-f]{64}"));
        assertThat(new KernelSource("a.cu", "text", Map.of("LANES", "8", "SCALAR", "bf16")).key(90, "13.0"))
                .isEqualTo(SOURCE.key(90, "13.0"));
    }

    @Test
    void aSourceStandsBehindThePreludeAndCountsItsOwnLines() {
        KernelSource source = KernelSource.of(KernelBinariesTest.class, "halve.cu", Map.of());
        assertThat(source.text())
                .contains("struct bf16")
                .endsWith("""
                #line 1 "halve.cu"
                // Halves each element.
                """ + source.text().substring(source.text().indexOf("extern \"C\"")));
    }

    @Test
    void aSourceThatIsNotThereIsNamed() {
        assertThatThrownBy(() -> KernelSource.of(KernelBinariesTest.class, "none.cu", Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("none.cu");
    }

    @Test
    void modulesOfOneNameAreOne() {
        KernelModule module = KernelModule.of(KernelBinariesTest.class, "halve.cu", Map.of("SCALAR", "float"));
        assertThat(KernelModule.of(KernelBinariesTest.class, "halve.cu", Map.of("SCALAR", "float")))
                .isSameAs(module);
        assertThat(KernelModule.of(KernelBinariesTest.class, "halve.cu", Map.of("SCALAR", "bf16")))
                .isNotSameAs(module);
        assertThat(module.kernel("halve")).isSameAs(module.kernel("halve")).isNotSameAs(module.kernel("other"));
    }
}
