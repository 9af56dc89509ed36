// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigIncludeContext;
import com.typesafe.config.ConfigIncluder;
import com.typesafe.config.ConfigIncluderClasspath;
import com.typesafe.config.ConfigIncluderFile;
import com.typesafe.config.ConfigIncluderURL;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseable;
import java.io.File;
import java.net.URL;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * {@code include "other.conf"}: a file, relative to the one that includes it. HOCON's own rules would fetch URLs, look
 * into the program's jars, and pass over a file that is missing; a run's configuration does none of these.
 */
final class LocalIncluder implements ConfigIncluder, ConfigIncluderFile, ConfigIncluderURL, ConfigIncluderClasspath {
    /** The files being read: the run's own, what it includes, what that includes. */
    private final List<Path> chain;

    LocalIncluder(List<Path> chain) {
        this.chain = List.copyOf(chain);
    }

    @Override
    public ConfigIncluder withFallback(ConfigIncluder fallback) {
        return this;
    }

    @Override
    public ConfigObject include(ConfigIncludeContext context, String what) {
        ConfigParseable other = context.relativeTo(what);
        if (other == null || other.origin().filename() == null) {
            throw refused(what, "there is no such file beside the one that includes it");
        }
        Path file = Path.of(other.origin().filename()).toAbsolutePath().normalize();
        if (chain.contains(file)) {
            throw refused(what, "%s would include itself".formatted(file));
        }
        List<Path> longer = Stream.concat(chain.stream(), Stream.of(file)).toList();
        return other.parse(context.parseOptions().setAllowMissing(false).setIncluder(new LocalIncluder(longer)));
    }

    @Override
    public ConfigObject includeFile(ConfigIncludeContext context, File what) {
        return include(context, what.getPath());
    }

    @Override
    public ConfigObject includeURL(ConfigIncludeContext context, URL what) {
        throw refused(what.toString(), "only local files can be included");
    }

    @Override
    public ConfigObject includeResources(ConfigIncludeContext context, String what) {
        throw refused(what, "only local files can be included");
    }

    private static ConfigException refused(String what, String why) {
        return new ConfigException.Generic("include \"" + what + "\": " + why);
    }
}
