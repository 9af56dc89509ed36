// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.chorale.data.source.DatasetCard.Subset;

/**
 * A folder in the layout of Hugging Face's datasets: files of rows, which are a split each by the front matter of
 * {@code README.md} or else by their names. A user chooses subset and split; what there is to choose is told.
 */
final class DatasetFolder {
    private static final Set<String> ABOUT =
            Set.of("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json");

    private final SourceSettings source;
    private final List<SourceFile> files;

    DatasetFolder(SourceSettings source, List<SourceFile> all) {
        this.source = source;
        this.files = all.stream().filter(DatasetFolder::hasRows).toList();
    }

    /** Whether any of a folder's files has rows. */
    static boolean isOne(List<SourceFile> all) {
        return all.stream().anyMatch(DatasetFolder::hasRows);
    }

    private static boolean hasRows(SourceFile file) {
        String name = file.name().substring(file.name().lastIndexOf('/') + 1);
        return FileKind.of(name).hasRows() && !ABOUT.contains(name);
    }

    /** The files of the split that is asked for. */
    List<SourceFile> files() throws IOException {
        Map<String, List<SourceFile>> splits = splits(subset(DatasetCard.read(source)));
        String split = chosen("split", source.reading().split(), splits.keySet(), Optional.empty());
        List<SourceFile> chosen = Objects.requireNonNull(splits.get(split));
        Set<String> endings = chosen.stream()
                .map(file -> file.name().substring(file.name().lastIndexOf('/') + 1))
                .map(FileKind::of)
                .map(FileKind::toString)
                .collect(Collectors.toSet());
        if (endings.size() > 1) {
            throw SourceFiles.refused(
                    source,
                    "its split %s has files of several kinds (%s); choose some by a glob"
                            .formatted(split, String.join(", ", endings)));
        }
        return chosen;
    }

    private Optional<Subset> subset(List<Subset> subsets) {
        if (subsets.isEmpty()) {
            if (source.reading()
                    .subset()
                    .filter(name -> !name.equals("default"))
                    .isPresent()) {
                throw SourceFiles.refused(
                        source,
                        "%s = %s: its README.md names no subsets (configs); leave it null"
                                .formatted(
                                        source.key("subset"),
                                        source.reading().subset().get()));
            }
            return Optional.empty();
        }
        Map<String, Subset> byName = new LinkedHashMap<>();
        subsets.forEach(subset -> byName.put(subset.name(), subset));
        Optional<String> usual = subsets.stream()
                .filter(Subset::isDefault)
                .map(Subset::name)
                .findFirst()
                .or(() -> Optional.of("default").filter(byName::containsKey));
        return Optional.ofNullable(byName.get(chosen("subset", source.reading().subset(), byName.keySet(), usual)));
    }

    private Map<String, List<SourceFile>> splits(Optional<Subset> subset) {
        if (subset.isEmpty()) {
            return SplitNames.splits(files);
        }
        Map<String, List<SourceFile>> splits = new LinkedHashMap<>();
        String folder = subset.get().folder();
        subset.get().files().forEach((split, globs) -> {
            List<SourceFile> matching = new ArrayList<>();
            for (String glob : globs) {
                FileGlob names = FileGlob.of(folder + glob);
                matching.addAll(files.stream()
                        .filter(file -> names.matches(file.name()) && !matching.contains(file))
                        .toList());
            }
            if (matching.isEmpty()) {
                throw SourceFiles.refused(
                        source,
                        "no file of rows matches data_files %s of its README.md's subset %s"
                                .formatted(globs, subset.get().name()));
            }
            splits.put(split, matching);
        });
        return splits.isEmpty()
                ? SplitNames.splits(files.stream()
                        .filter(file -> file.name().startsWith(folder))
                        .toList())
                : splits;
    }

    /** What is asked for, or else what there is without a choice. */
    private String chosen(String what, Optional<String> asked, Set<String> there, Optional<String> usual) {
        Optional<String> name =
                asked.or(() -> there.size() == 1 ? there.stream().findFirst() : usual);
        if (name.filter(there::contains).isEmpty()) {
            throw SourceFiles.refused(
                    source,
                    "%s = %s: must be one of its %ss: %s"
                            .formatted(source.key(what), asked.orElse(null), what, String.join(", ", there)));
        }
        return name.get();
    }
}
