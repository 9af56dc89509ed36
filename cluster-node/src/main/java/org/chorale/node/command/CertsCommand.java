// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.chorale.node.security.CertificateRequest;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** {@code chorale certs}: makes what nodes show each other. */
@Command(
        name = "certs",
        description = "Makes the certificate of a node, and the authority of a cluster with the first one.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "OUT gets a folder per node, which is copied to that node's machine, and ca.pem and ca-key.pem: whoever has"
                    + " the latter can let anybody into the cluster, so it stays where it is. Nothing is replaced.",
            "",
            "Examples:",
            "  chorale certs --out certs --host node-1.example,10.0.0.7 --name node-1",
            "  chorale certs --out certs --host node-2.example,10.0.0.8 --name node-2"
        })
final class CertsCommand implements Callable<Integer> {
    private @Nullable @ParentCommand ChoraleCommand chorale;

    @Option(names = "--out", required = true, paramLabel = "OUT", description = "A folder; it is made where needed.")
    private Path out = Path.of("");

    @Option(
            names = "--ca",
            paramLabel = "DIR",
            description = "A folder with the authority's ca.pem and ca-key.pem. Default: OUT.")
    private Optional<Path> authority = Optional.empty();

    @Option(
            names = "--host",
            required = true,
            split = ",",
            paramLabel = "HOST",
            description =
                    "Names and addresses of the node's machine; the one that the node binds to must be among them.")
    private List<String> hosts = List.of();

    @Option(names = "--name", description = "The node's name, and its folder's. Default: the first host.")
    private Optional<String> name = Optional.empty();

    @Option(
            names = "--days",
            paramLabel = "N",
            defaultValue = "365",
            description = "Days that the certificate counts for. Default: ${DEFAULT-VALUE}.")
    private int days;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        if (chorale == null) {
            throw new IllegalStateException("picocli sets the parent command");
        }
        Console console = chorale.console();
        Path folder = console.currentFolder();
        CertificateRequest request = new CertificateRequest(
                folder.resolve(out).normalize(),
                authority.map(given -> folder.resolve(given).normalize()),
                hosts,
                name,
                days);
        report(console, request, request.make(Instant.now().truncatedTo(ChronoUnit.SECONDS)));
        return ExitCode.DONE;
    }

    private void report(Console console, CertificateRequest request, CertificateRequest.Made made) {
        if (json) {
            console.out()
                    .println(JsonNodeFactory.instance
                            .objectNode()
                            .put("folder", made.folder().toString())
                            .put("authority", made.authority().toString())
                            .put("authority_made", made.authorityIsNew())
                            .put("until", made.until().toString()));
            return;
        }
        if (made.authorityIsNew()) {
            console.out().printf("made an authority: %s%n", made.authority().resolve("ca.pem"));
            console.out()
                    .printf(
                            "  whoever has its key, %s, can let anybody in: keep it off the nodes%n",
                            made.authority().resolve("ca-key.pem"));
        }
        console.out()
                .printf("wrote %s for %s, until %s%n", made.folder(), String.join(", ", request.hosts()), made.until());
        console.out()
                .printf("next: copy it to that machine and start the node there with --certs and the folder's name%n");
    }
}
