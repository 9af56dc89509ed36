// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example.moons;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.chorale.pipeline.AdamW;
import org.chorale.pipeline.Data;
import org.chorale.pipeline.ModelFactory;
import org.chorale.pipeline.Pipeline;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.training.diffusion.DiffusionSampler;
import org.chorale.training.diffusion.NoiseSchedule;
import org.chorale.training.diffusion.NoisingPreProcessor;
import org.chorale.training.diffusion.Prediction;
import org.chorale.training.loss.MseLoss;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.ContractMode;

/**
 * Trains a diffusion model on points of two half-moons into the folder that is given, or goes on with what is there; draws
 * new points by DDPM and by DDIM, and writes {@code samples.png} there: the data, DDPM's points, DDIM's, and pure noise.
 */
public final class MoonsDiffusion {
    private static final int TRAINING_POINTS = 1_000;
    private static final int DRAWN_POINTS = 2_000;
    private static final int STEPS = 3_000;
    private static final int DDIM_STEPS = 20;
    private static final long DRAWING_SEED = 1;

    static final NoiseSchedule SCHEDULE = NoiseSchedule.cosine(100, 1);
    static final Prediction PREDICTED = Prediction.V;

    /** Told apart by people who see no red or no green too (Okabe and Ito 2008). */
    private static final int BLUE = 0x0072b2;

    private static final int VERMILLION = 0xd55e00;
    private static final int BLACK = 0x000000;

    private MoonsDiffusion() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Path folder = Path.of(arguments[0]);
        Pipeline pipeline = pipeline(folder).steps(STEPS).build();
        pipeline.print();
        Path export = pipeline.run().export();
        List<float[]> data = TwoMoons.points(DRAWN_POINTS, 2); // other ones than it was trained on
        List<float[]> ancestral = draw(export, DiffusionSampler.ddpm(SCHEDULE, PREDICTED), DRAWN_POINTS);
        List<float[]> implicit = draw(export, DiffusionSampler.ddim(SCHEDULE, PREDICTED, DDIM_STEPS), DRAWN_POINTS);
        List<float[]> noise = noise(DRAWN_POINTS);
        show("DDPM, %d steps".formatted(SCHEDULE.timesteps()), ancestral, data);
        show("DDIM, %d steps".formatted(DDIM_STEPS), implicit, data);
        show("noise", noise, data);
        Path picture = folder.resolve("samples.png");
        PointPicture.write(
                List.of(
                        new PointPicture.Panel(data, BLACK),
                        new PointPicture.Panel(ancestral, BLUE),
                        new PointPicture.Panel(implicit, BLUE),
                        new PointPicture.Panel(noise, VERMILLION)),
                picture);
        System.out.println("written: " + picture);
    }

    /** All of it but how long it is trained. */
    static Pipeline.Builder pipeline(Path outputDir) {
        return Pipeline.builder()
                .model(ModelFactory.fromInstance(new PointDenoiser(128)))
                .data(Data.ofNumbers(PointDenoiser.POINT, 2, TwoMoons.points(TRAINING_POINTS, 1))
                        .batchSize(200))
                .preprocess(new NoisingPreProcessor(PointDenoiser.POINT, 2, SCHEDULE, PREDICTED))
                .loss(new MseLoss(PointDenoiser.PREDICTION, Context.TARGET)
                        .declaring("prediction:2:f | ctx.target:2:f -> loss:0:f"))
                .contracts(ContractMode.ENFORCE)
                .optimizer(AdamW.learningRate(2e-3).weightDecay(0).warmupSteps(50))
                .outputDir(outputDir)
                .set("checkpoint.every", 1_000)
                .set("metrics.samples", "digest");
    }

    /** Draws points with a trained model. */
    static List<float[]> draw(Path export, DiffusionSampler sampler, int count) {
        try (TensorScope scope = new TensorScope();
                SafetensorsFile file = SafetensorsFile.open(export.resolve("model.safetensors"))) {
            Map<String, Tensor> parameters = new LinkedHashMap<>();
            file.entries().forEach(entry -> parameters.put(entry.name(), file.tensor(entry.name())));
            return points(sampler.draw(
                    (noisy, t) ->
                            PointDenoiser.predict(noisy, t, name -> Objects.requireNonNull(parameters.get(name), name)),
                    DRAWING_SEED,
                    Device.CPU,
                    count,
                    2));
        }
    }

    /** What drawing begins with: as if the model had taken no noise off. */
    static List<float[]> noise(int count) {
        try (TensorScope scope = new TensorScope()) {
            return points(DiffusionSampler.noise(DRAWING_SEED, Device.CPU, count, 2));
        }
    }

    private static List<float[]> points(Tensor drawn) {
        FloatBuffer values = drawn.createBuffer();
        List<float[]> points = new ArrayList<>();
        while (values.hasRemaining()) {
            points.add(new float[] {values.get(), values.get()});
        }
        return points;
    }

    private static void show(String name, List<float[]> points, List<float[]> data) {
        System.out.printf(
                Locale.ROOT, "energy distance to the data: %.4f  %s%n", EnergyDistance.between(points, data), name);
    }
}
