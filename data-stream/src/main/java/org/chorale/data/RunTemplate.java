// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.chorale.data.disk.Sha256;
import org.chorale.data.template.ChatTemplate;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The chat template of a run.
 *
 * @param digest SHA-256 over the digests of the files that it comes from, in hexadecimal
 */
record RunTemplate(ChatTemplate template, String digest) {
    /** @param tokenizer the folder with {@code tokenizer.json}, or the file itself */
    static RunTemplate load(Path tokenizer, Optional<Path> file) {
        Path folder = Files.isDirectory(tokenizer)
                ? tokenizer
                : Optional.ofNullable(tokenizer.toAbsolutePath().getParent()).orElse(tokenizer);
        ChatTemplate template = ChatTemplate.load(folder, file);
        String lines = Stream.of(
                        file.orElse(folder.resolve("chat_template.jinja")), folder.resolve("tokenizer_config.json"))
                .filter(Files::isRegularFile)
                .map(RunTemplate::digest)
                .collect(Collectors.joining("\n"));
        return new RunTemplate(template, Sha256.hex(lines.getBytes(StandardCharsets.US_ASCII)));
    }

    private static String digest(Path file) {
        try {
            return Sha256.hex(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new FaultException(FaultCode.FILE_MISSING, file + " cannot be read: " + e, e);
        }
    }
}
