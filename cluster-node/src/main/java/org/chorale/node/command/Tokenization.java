// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;
import org.chorale.data.request.LineTokenizer;
import org.chorale.data.template.ChatTemplate;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** {@code chorale tokenize}. */
record Tokenization(Console console, boolean specialTokens) {
    int run(Path model, Optional<Path> template, InputStream in) throws IOException {
        Path tokenizerPath = console.currentFolder().resolve(model).normalize();
        Optional<Path> templateFile =
                template.map(file -> console.currentFolder().resolve(file).normalize());
        templateFile.filter(file -> !Files.isReadable(file)).ifPresent(file -> {
            throw new FaultException(
                    FaultCode.FILE_MISSING, "--template %s: does not exist or cannot be read".formatted(file));
        });
        try (TextTokenizer tokenizer = TextTokenizer.load(tokenizerPath, null)) {
            LazyTemplate templates = new LazyTemplate(tokenizerPath, templateFile);
            if (templateFile.isPresent()) {
                templates.load(); // one that was named is read even if nothing asks for it
            }
            boolean allWell = new LineTokenizer(tokenizer, templates, specialTokens).answer(in, console.out());
            return allWell ? ExitCode.DONE : ExitCode.FAILED_OR_DIFFERS;
        }
    }

    /** Read when the first conversation comes: a tokenizer needs no template for texts. */
    private static final class LazyTemplate implements Supplier<ChatTemplate> {
        private final Path folder;
        private final Optional<Path> file;
        private Optional<ChatTemplate> loaded = Optional.empty();

        LazyTemplate(Path tokenizer, Optional<Path> file) {
            this.folder = Files.isDirectory(tokenizer)
                    ? tokenizer
                    : Optional.ofNullable(tokenizer.getParent()).orElse(tokenizer);
            this.file = file;
        }

        void load() {
            loaded = Optional.of(ChatTemplate.load(folder, file));
        }

        @Override
        public ChatTemplate get() {
            if (loaded.isEmpty()) {
                load();
            }
            return loaded.orElseThrow();
        }
    }
}
