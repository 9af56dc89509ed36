// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.chorale.data.disk.DurableFile;
import org.chorale.data.disk.Sha256;
import org.chorale.data.template.ChatTemplate;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The chat template of a run. Some templates write the day: the one on which the run began, as long as it goes on, so that
 * a row stays the same.
 *
 * @param digest SHA-256 over the digests of the files that it comes from, in hexadecimal
 * @param day that it writes as today
 */
record RunTemplate(ChatTemplate template, String digest, LocalDate day) {
    /**
     * Loads the template.
     *
     * @param tokenizer the folder with {@code tokenizer.json}, or the file itself
     * @param dayFile where the run's first day is written down
     */
    static RunTemplate load(Path tokenizer, Optional<Path> file, Path dayFile) {
        Path folder = Files.isDirectory(tokenizer)
                ? tokenizer
                : Optional.ofNullable(tokenizer.toAbsolutePath().getParent()).orElse(tokenizer);
        LocalDate day = day(dayFile);
        ChatTemplate template = ChatTemplate.load(folder, file)
                .at(Clock.fixed(day.atStartOfDay().toInstant(ZoneOffset.UTC), ZoneOffset.UTC));
        Stream<Path> templates = file.map(Stream::of)
                .orElseGet(() -> Stream.of(
                        folder.resolve("chat_template.jinja"),
                        folder.resolve("additional_chat_templates").resolve("tool_use.jinja")));
        String lines = Stream.concat(templates, Stream.of(folder.resolve("tokenizer_config.json")))
                .filter(Files::isRegularFile)
                .map(RunTemplate::digest)
                .collect(Collectors.joining("\n"));
        return new RunTemplate(template, Sha256.hex(lines.getBytes(StandardCharsets.US_ASCII)), day);
    }

    private static LocalDate day(Path dayFile) {
        try {
            if (Files.exists(dayFile)) {
                return LocalDate.parse(Files.readString(dayFile).strip());
            }
            LocalDate today = LocalDate.now(ZoneOffset.UTC);
            try (DurableFile out = DurableFile.begin(dayFile)) {
                out.out().write((today + "\n").getBytes(StandardCharsets.US_ASCII));
                out.commit();
            }
            return today;
        } catch (IOException | DateTimeParseException e) {
            throw new FaultException(FaultCode.STORAGE_FAILED, dayFile + " cannot be read or written: " + e, e);
        }
    }

    private static String digest(Path file) {
        try {
            return Sha256.hex(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new FaultException(FaultCode.FILE_MISSING, file + " cannot be read: " + e, e);
        }
    }
}
