// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.Optional;
import org.chorale.node.security.NodeSecurity;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CertsCommandTest {
    @TempDir
    Path folder;

    private final Shell shell = new Shell();

    @Test
    void aNodeStartsWithWhatWasMadeForIt() {
        assertThat(shell.run(
                        folder, "certs", "--out", "certs", "--host", "node-1.example,10.0.0.7", "--name", "node-1"))
                .isZero();

        assertThat(shell.out())
                .contains("made an authority: " + folder.resolve("certs/ca.pem"))
                .contains("certs/ca-key.pem, can let anybody in: keep it off the nodes")
                .contains("wrote " + folder.resolve("certs/node-1") + " for node-1.example, 10.0.0.7, until ")
                .contains("next: ");
        Optional<Path> made = Optional.of(folder.resolve("certs/node-1"));
        assertThat(NodeSecurity.of(made, false, "10.0.0.7").certificates()).isEqualTo(made);
    }

    @Test
    void scriptsReadOneObject() throws Exception {
        assertThat(shell.run(folder, "certs", "--out", "certs", "--host", "node-1", "--json"))
                .isZero();

        assertThat(new ObjectMapper().readTree(shell.out()).fieldNames())
                .toIterable()
                .containsExactly("folder", "authority", "authority_made", "until");
    }

    @Test
    void whatIsWrongWithTheCommandIsALineEach() {
        assertThat(shell.run(folder, "certs", "--out", "certs", "--host", "*,::", "--days", "0"))
                .isEqualTo(2);

        assertThat(shell.err().lines()).hasSize(3).allMatch(line -> line.startsWith("error [COMMAND_INVALID] --"));
        assertThat(folder.resolve("certs")).doesNotExist();
    }
}
