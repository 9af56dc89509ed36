// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.example.ExampleModel;
import org.chorale.example.ForwardArguments;
import org.chorale.example.HiddenRegularizer;
import org.chorale.example.HiddenStateExtractor;
import org.chorale.example.MaskedTraining;
import org.chorale.example.TargetExtractor;
import org.chorale.node.config.RunFile;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.StepReport;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.training.loss.CompositeLoss;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.MseLoss;
import org.chorale.training.loss.UncertaintyWeightedLoss;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.PreProcessor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Pipelines as users build them, from Java to the trained model. */
@Timeout(180)
final class PipelineTest {
    private static final Path RECIPES = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy",
            "recipes");

    private static final PreProcessor NOTHING = (batch, context) -> batch;

    private final List<StepReport> steps = new ArrayList<>();

    @TempDir
    private Path folder;

    @Test
    void theExampleTrainsWithItsContractsEnforced() throws Exception {
        Pipeline.Result result = here(MaskedTraining.pipeline(folder.resolve("run")))
                .contracts(ContractMode.ENFORCE)
                .set("data.micro-batch", 4)
                .set("optimizer.learning-rate", 5e-3)
                .steps(40)
                .view(this::show)
                .build()
                .run();

        assertThat(result.finished()).isTrue();
        assertThat(steps).hasSize(40);
        assertThat(mean(steps.subList(30, 40))).isLessThan(0.95 * mean(steps.subList(0, 10)));
        StepReport step = steps.get(39);
        assertThat(step.getMetricsMap())
                .containsKeys("loss.CrossEntropyLoss", "loss.HiddenRegularizer", "HiddenRegularizer");
        assertThat(step.getMetricsOrThrow("loss.CrossEntropyLoss") + step.getMetricsOrThrow("loss.HiddenRegularizer"))
                .isCloseTo(step.getLossNats(), within(1e-5));
        assertThat(step.getTrainedTokens()).as("hidden tokens alone").isBetween(16L * 32 / 15, 16L * 32 / 4);
        try (SafetensorsFile exported = SafetensorsFile.open(result.export().resolve("model.safetensors"))) {
            assertThat(exported.entries())
                    .extracting(entry -> entry.name())
                    .contains("embedding.weight")
                    .hasSize(5);
        }
    }

    @Test
    void theDrawingShowsFlowParametersAndVerdict() throws IOException {
        String drawn =
                here(MaskedTraining.pipeline(folder.resolve("run"))).build().describe();

        assertThat(drawn).isEqualTo(golden("masked.txt"));
    }

    @Test
    void aBrokenPipelineIsDrawnAndIsNotBuilt() throws IOException {
        Pipeline.Builder broken = here(Pipeline.builder())
                .model(ModelFactory.fromInstance(new ExampleModel(50, 4, 8)).freeze("embedding.*"))
                .data(Data.of(List.of(new long[] {1, 2, 3})))
                .preprocess(new ForwardArguments(ConfigFactory.parseString("return_hidden = true")))
                .postprocess(new TargetExtractor("original_input_idz"), (outputs, context) -> outputs)
                .loss(CompositeLoss.of(
                        new CrossEntropyLoss().declaring("logits:2:f | ctx.mask:2:f -> loss:0:f"),
                        1,
                        new HiddenRegularizer(0.01),
                        0.5))
                .outputDir(folder.resolve("run"));

        assertThat(broken.describe()).isEqualTo(golden("broken.txt"));
        assertThatThrownBy(broken::build)
                .isInstanceOfSatisfying(
                        FaultException.class,
                        fault -> assertThat(fault.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID))
                .hasMessageContaining("Loss term 1 CrossEntropyLoss: wants logits:2:f, but Model ExampleModel gives");
    }

    @Test
    void whatIsMissingIsAskedFor() {
        assertThatThrownBy(() -> Pipeline.builder().build()).hasMessageContaining("has no data: give .data(Data.jsonl");
        assertThatThrownBy(() -> Pipeline.builder().data(Data.of(List.of())).build())
                .hasMessageContaining("has no model: give .model(ModelFactory.fromPretrained");
        assertThatThrownBy(() -> ModelFactory.fromCheckpoint(folder)).hasMessageContaining("has no export yet");
        assertThatThrownBy(() -> ModelFactory.fromPretrained(folder).transform(ModelTransform.wrap(model -> model)))
                .hasMessageContaining("only a model of your own can be wrapped");
    }

    @Test
    void aLambdaTrainsHereAndIsRefusedByNameElsewhere() throws Exception {
        Pipeline pipeline = here(MaskedTraining.pipeline(folder.resolve("run")))
                .preprocess(NOTHING)
                .steps(2)
                .view(this::show)
                .build();
        assertThat(pipeline.run().finished()).isTrue();
        Path file = Files.writeString(folder.resolve("elsewhere.conf"), pipeline.configuration());

        assertThatThrownBy(() -> new RunFile(file, folder).resolve(List.of(), Optional.empty()))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining(
                        "pipeline.preprocess[2]: (lambda) exists only in the process that made the pipeline");
    }

    @Test
    void whatExistsInThisProgramAloneIsRefusedByNameWhereWorkersHaveProcesses() {
        Pipeline pipeline = MaskedTraining.pipeline(folder.resolve("run"))
                .preprocess(NOTHING)
                .steps(2)
                .set("parallel.isolation", "process")
                .build();

        assertThatThrownBy(pipeline::run)
                .hasMessageContaining("pipeline.preprocess[2]: (lambda) exists only in the process")
                .hasMessageContaining("set parallel.isolation = in-process");
        assertThat(folder.resolve("run")).doesNotExist();
    }

    @Test
    void aRunsFileOfPortableComponentsIsTheSameRunElsewhere() throws Exception {
        Pipeline pipeline = here(MaskedTraining.pipeline(folder.resolve("run"))).build();
        Path file = Files.writeString(folder.resolve("elsewhere.conf"), pipeline.configuration());

        assertThat(ConfigFactory.parseString(new RunFile(file, folder)
                        .resolve(List.of(), Optional.empty())
                        .text()))
                .isEqualTo(ConfigFactory.parseString(pipeline.configuration()));
    }

    @Test
    void aRunGoesOnBitForBitWithTheParametersOfItsLoss() throws Exception {
        Pipeline pipeline = here(MaskedTraining.pipeline(folder.resolve("run")))
                .loss(UncertaintyWeightedLoss.of(new CrossEntropyLoss().masked("mask"), new HiddenRegularizer(0.01)))
                .set("checkpoint.every", 3)
                .steps(6)
                .view(this::show)
                .build();
        pipeline.run();
        List<StepReport> undisturbed = List.copyOf(steps);
        deleteNewestCheckpoint();
        steps.clear();

        pipeline.run();

        assertThat(steps).extracting(StepReport::getStep).containsExactly(4L, 5L, 6L);
        for (int i = 0; i < 3; i++) {
            assertThat(steps.get(i).getLossNats())
                    .isEqualTo(undisturbed.get(i + 3).getLossNats());
            assertThat(steps.get(i).getGradNorm())
                    .isEqualTo(undisturbed.get(i + 3).getGradNorm());
        }
    }

    @Test
    void aLanguageModelInAPipelineTrainsAsWithoutOne() throws Exception {
        languageModel("plain").build().run();
        List<StepReport> plain = List.copyOf(steps);
        steps.clear();

        languageModel("piped").preprocess(NOTHING).build().run();

        assertThat(steps).hasSize(4);
        for (int i = 0; i < 4; i++) {
            assertThat(steps.get(i).getLossNats()).isCloseTo(plain.get(i).getLossNats(), within(1e-4));
            assertThat(steps.get(i).getGradNorm())
                    .isCloseTo(
                            plain.get(i).getGradNorm(),
                            within(1e-3 * plain.get(i).getGradNorm()));
            assertThat(steps.get(i).getTrainedTokens()).isEqualTo(plain.get(i).getTrainedTokens());
        }
    }

    @Test
    void aLanguageModelsHiddenStatesCanBeTrainedToo() throws Exception {
        languageModel("hidden")
                .postprocess(new HiddenStateExtractor(), (outputs, context) -> {
                    context.put("calm", outputs.get("hidden").mul(Scalars.of(0)));
                    return outputs;
                })
                .loss(CompositeLoss.of(new CrossEntropyLoss(), 1, new MseLoss("hidden", "calm"), 10))
                .build()
                .run();

        assertThat(steps.get(3).getMetricsOrThrow("MseLoss"))
                .isLessThan(steps.get(0).getMetricsOrThrow("MseLoss"));
    }

    private Pipeline.Builder languageModel(String run) throws IOException {
        Path rows = Files.writeString(
                folder.resolve("rows.jsonl"),
                "{\"text\": \"some words to learn by heart\"}\n{\"prompt\": \"a b\", \"completion\": \" c\"}\n"
                        .repeat(8));
        return here(Pipeline.builder())
                .model(ModelFactory.fromConfig(RECIPES.resolve("quickstart/model")))
                .data(Data.jsonl(rows).batchSize(8).microBatch(3).sequenceTokens(32))
                .optimizer(AdamW.learningRate(2e-3))
                .outputDir(folder.resolve(run))
                .steps(4)
                .view(this::show);
    }

    /** Processes of workers have tests of their own. */
    private static Pipeline.Builder here(Pipeline.Builder builder) {
        return builder.set("parallel.isolation", "in-process");
    }

    private void show(RunEvent event) {
        if (event.hasStep()) {
            steps.add(event.getStep());
        }
    }

    private void deleteNewestCheckpoint() throws IOException {
        Path newest;
        try (Stream<Path> checkpoints = Files.list(folder.resolve("run/checkpoints"))) {
            newest = checkpoints.max(Comparator.naturalOrder()).orElseThrow();
        }
        try (Stream<Path> files = Files.walk(newest)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    private static double mean(List<StepReport> reports) {
        return reports.stream().mapToDouble(StepReport::getLossNats).average().orElseThrow();
    }

    private static String golden(String name) throws IOException {
        try (InputStream golden = Objects.requireNonNull(PipelineTest.class.getResourceAsStream("/pipeline/" + name))) {
            return new String(golden.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
