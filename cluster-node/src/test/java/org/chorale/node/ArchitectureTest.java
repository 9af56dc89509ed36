// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node;

import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.syntax.ArchRuleDefinition;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** One direction: modules and packages follow the data. Maven keeps the modules, this the packages. */
final class ArchitectureTest {
    private static JavaClasses production;

    @BeforeAll
    static void read() {
        production = new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .importPackages("org.chorale");
    }

    @Test
    void theClassesOfEveryModuleAreLookedAt() {
        for (String module :
                new String[] {"proto", "data", "tensor", "model", "training", "worker", "coordinator", "node"}) {
            assertThat(production.stream()
                            .filter(type -> type.getPackageName().startsWith("org.chorale." + module))
                            .count())
                    .as("classes of org.chorale." + module)
                    .isGreaterThan(1);
        }
    }

    @Test
    void packagesAreFreeOfCycles() {
        slices().matching("org.chorale.(**)").should().beFreeOfCycles().check(production);
    }

    @Test
    void modulesAreUsedInOneDirection() {
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer("proto")
                .definedBy("org.chorale.proto..")
                .layer("data-stream")
                .definedBy("org.chorale.data..")
                .layer("tensor")
                .definedBy("org.chorale.tensor..")
                .layer("model")
                .definedBy("org.chorale.model..")
                .layer("training")
                .definedBy("org.chorale.training..")
                .layer("worker")
                .definedBy("org.chorale.worker..")
                .layer("coordinator")
                .definedBy("org.chorale.coordinator..")
                .layer("cluster-node")
                .definedBy("org.chorale.node..")
                .whereLayer("proto")
                .mayOnlyBeAccessedByLayers("data-stream", "worker", "coordinator", "cluster-node")
                .whereLayer("data-stream")
                .mayOnlyBeAccessedByLayers("cluster-node")
                .whereLayer("tensor")
                .mayOnlyBeAccessedByLayers("model", "training", "worker", "cluster-node")
                .whereLayer("model")
                .mayOnlyBeAccessedByLayers("training", "worker", "cluster-node")
                .whereLayer("training")
                .mayOnlyBeAccessedByLayers("worker", "cluster-node")
                .whereLayer("worker")
                .mayOnlyBeAccessedByLayers("cluster-node")
                .whereLayer("coordinator")
                .mayOnlyBeAccessedByLayers("cluster-node")
                .whereLayer("cluster-node")
                .mayNotBeAccessedByAnyLayer()
                .check(production);
    }

    @Test
    void libtorchAndPekkoMeetInTheWorkerAlone() {
        ArchRuleDefinition.noClasses()
                .that()
                .resideInAnyPackage("org.chorale.proto..", "org.chorale.data..", "org.chorale.coordinator..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.bytedeco..")
                .check(production);
        ArchRuleDefinition.noClasses()
                .that()
                .resideInAnyPackage("org.chorale.tensor..", "org.chorale.model..", "org.chorale.training..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.apache.pekko..")
                .check(production);
    }
}
