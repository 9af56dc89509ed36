// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example.moons;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigValueFactory;
import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import javax.imageio.ImageIO;
import org.chorale.node.config.RunFile;
import org.chorale.pipeline.AdamW;
import org.chorale.pipeline.Data;
import org.chorale.pipeline.ModelFactory;
import org.chorale.pipeline.Pipeline;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.RunEvent;
import org.chorale.training.diffusion.DiffusionSampler;
import org.chorale.training.diffusion.NoiseSchedule;
import org.chorale.training.diffusion.NoisingPreProcessor;
import org.chorale.training.diffusion.Prediction;
import org.chorale.training.diffusion.SnrWeightedLoss;
import org.chorale.training.loss.MseLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
final class MoonsDiffusionTest {
    private static final Path RECIPES = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy",
            "recipes");
    private static final int DRAWN = 500;

    @TempDir
    Path folder;

    @Test
    void whatItDrawsIsFarCloserToTheDataThanNoiseIs() throws Exception {
        List<Double> losses = new ArrayList<>();
        Pipeline.Result result = MoonsDiffusion.pipeline(folder.resolve("run"))
                .set("data.global-batch", 100)
                .steps(800)
                .view(event -> add(event, losses))
                .build()
                .run();
        List<float[]> data = TwoMoons.points(DRAWN, 2);
        double noise = EnergyDistance.between(MoonsDiffusion.noise(DRAWN), data);

        assertThat(mean(losses.subList(700, 800))).isLessThan(0.85 * mean(losses.subList(0, 20)));
        for (DiffusionSampler sampler : List.of(
                DiffusionSampler.ddpm(MoonsDiffusion.SCHEDULE, MoonsDiffusion.PREDICTED),
                DiffusionSampler.ddim(MoonsDiffusion.SCHEDULE, MoonsDiffusion.PREDICTED, 20))) {
            List<float[]> drawn = MoonsDiffusion.draw(result.export(), sampler, DRAWN);
            assertThat(EnergyDistance.between(drawn, data)).isBetween(0.0, 0.15 * noise);
        }
    }

    @Test
    void workersAndMicroBatchesDrawTheSameNoise() throws Exception {
        List<Double> whole = losses(weighted("whole"));
        List<Double> parts = losses(weighted("parts").set("data.micro-batch", 5));
        List<Double> workers = losses(weighted("workers").set("parallel.workers", 2));

        assertThat(whole).hasSize(6);
        for (int step = 0; step < 6; step++) {
            assertThat(parts.get(step)).isCloseTo(whole.get(step), within(1e-5));
            assertThat(workers.get(step)).isCloseTo(whole.get(step), within(1e-5));
        }
        assertThat(losses(weighted("again"))).isEqualTo(whole);
        assertThat(losses(weighted("other").seed(7))).isNotEqualTo(whole);
    }

    @Test
    void theRecipeIsTheExample() throws Exception {
        Config recipe = ConfigFactory.parseString(new RunFile(RECIPES.resolve("moons.conf"), folder)
                        .resolve(List.of(), Optional.empty())
                        .text())
                .withValue("pipeline.loss.type", ConfigValueFactory.fromAnyRef(MseLoss.class.getName()));
        Config example = ConfigFactory.parseString(MoonsDiffusion.pipeline(folder.resolve("run"))
                .steps(3_000)
                .build()
                .configuration());

        for (String same : List.of("pipeline", "optimizer", "run.steps", "data.numbers", "data.global-batch")) {
            assertThat(recipe.getValue(same)).as(same).isEqualTo(example.getValue(same));
        }
        StringBuilder points = new StringBuilder();
        for (float[] point : TwoMoons.points(1_000, 1)) {
            points.append("{\"point\":[%s,%s]}\n".formatted(point[0], point[1]));
        }
        assertThat(RECIPES.resolve("moons/points.jsonl")).hasContent(points.toString());
    }

    @Test
    void whatDoesNotFitIsToldBeforeTheRun() {
        Pipeline.Builder misnamed = weighted("run")
                .preprocess(new NoisingPreProcessor("latent", 3, NoiseSchedule.linear(10, 0.1, 0.2), Prediction.X0));
        assertThatThrownBy(misnamed::build)
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("PreProcessor 2 NoisingPreProcessor: wants latent:3:f");

        Pipeline.Builder ofText = Pipeline.builder()
                .model(ModelFactory.fromConfig(RECIPES.resolve("quickstart/model")))
                .data(Data.ofNumbers("point", 2, TwoMoons.points(10, 1)));
        assertThatThrownBy(ofText::build)
                .isInstanceOf(FaultException.class)
                .hasMessage("data.numbers = {point=2}: language models and their loss take tokens; set"
                        + " pipeline.model.type and pipeline.loss.type");
    }

    @Test
    void aPictureHasASquareForEachSetOfPoints() throws Exception {
        Path file = folder.resolve("points.png");
        List<float[]> outside = List.of(new float[] {0, 0}, new float[] {9, 9}, new float[] {Float.NaN, 0});
        PointPicture.write(List.of(new PointPicture.Panel(outside, 0x0072b2)), file);

        assertThat(Files.size(file)).isPositive();
        BufferedImage image = ImageIO.read(file.toFile());
        assertThat(image.getWidth()).isEqualTo(image.getHeight()).isEqualTo(384);
        assertThat(image.getRGB(192, 192) & 0xffffff).isEqualTo(0x0072b2);
        assertThat(image.getRGB(30, 30) & 0xffffff).isEqualTo(0xffffff);
    }

    /** With another schedule, prediction and loss than the example's. */
    private Pipeline.Builder weighted(String name) {
        return Pipeline.builder()
                .model(ModelFactory.fromInstance(new PointDenoiser(8)))
                .data(Data.ofNumbers(PointDenoiser.POINT, 2, TwoMoons.points(30, 1))
                        .batchSize(12))
                .preprocess(new NoisingPreProcessor(
                                PointDenoiser.POINT, 2, NoiseSchedule.linear(50, 1e-3, 0.2), Prediction.EPSILON)
                        .minSnrGamma(5))
                .loss(new SnrWeightedLoss(PointDenoiser.PREDICTION, 2))
                .optimizer(AdamW.learningRate(1e-2))
                .outputDir(folder.resolve(name))
                .set("parallel.isolation", "in-process")
                .steps(6);
    }

    private static List<Double> losses(Pipeline.Builder builder) throws InterruptedException {
        List<Double> losses = new ArrayList<>();
        builder.view(event -> add(event, losses)).build().run();
        return losses;
    }

    private static void add(RunEvent event, List<Double> losses) {
        if (event.hasStep()) {
            losses.add(event.getStep().getLossNats());
        }
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    }
}
