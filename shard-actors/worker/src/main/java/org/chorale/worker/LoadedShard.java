// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import org.bytedeco.pytorch.Tensor;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.WorkerCommand.TakeShard;
import org.chorale.proto.wire.RankHolding;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceMemory;
import org.chorale.tensor.device.MatmulPeak;
import org.chorale.training.ActivationPlan;
import org.chorale.training.Evaluation;
import org.chorale.training.Holding;
import org.chorale.training.MicroBatch;
import org.chorale.training.Objective;
import org.chorale.training.PendingStep;
import org.chorale.training.TrainStep;
import org.chorale.training.checkpoint.CheckpointReader;
import org.chorale.training.checkpoint.CheckpointWriter;
import org.chorale.training.checkpoint.CheckpointWriter.WrittenShard;
import org.chorale.training.checkpoint.RankState;
import org.chorale.training.optimizer.LearningRate;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.optimizer.ScheduleConfig;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.RankGroups;

/** A rank's model and optimizer while a {@link ShardActor} holds them; used on that actor's thread alone. */
final class LoadedShard implements AutoCloseable {
    private static final Logger LOG = System.getLogger(LoadedShard.class.getName());

    private final int rank;
    private final RunModel model;
    private final Objective objective;
    private final RankState state;
    private final Optional<ActivationPlan> activations; // empty where the model is a user's own
    private final TrainStep trainStep;
    private final LearningRate learningRate;
    private final Optional<ToDoubleFunction<MicroBatch>> flops;
    private final double peakFlopsPerSecond;
    private final FlightLog flightLog;
    private final Deque<Runnable> owned; // closed in this order
    private long stepsDone;
    private Arrival arrival = new Arrival(Duration.ZERO, Duration.ZERO, Duration.ZERO);

    /**
     * What it took to get here.
     *
     * @param leaving for the shard before to end
     * @param joining until all ranks had come
     * @param loading this rank's part of the model
     */
    private record Arrival(Duration leaving, Duration joining, Duration loading) {}

    private LoadedShard(
            TakeShard order,
            RunModel model,
            RankState state,
            OptimizerConfig config,
            double peakFlopsPerSecond,
            Deque<Runnable> owned) {
        this.rank = order.rank();
        this.model = model;
        this.objective = model.objective(state.shard());
        owned.push(objective::close);
        this.state = state;
        this.activations = model.activations(state.shard());
        activations.ifPresent(LoadedShard::log);
        this.trainStep = new TrainStep(
                state.shard(),
                state.optimizer(),
                config.clipNorm(),
                objective,
                state.lossScale(),
                RankMeeting.patience(order.runConf()));
        this.learningRate = new LearningRate(
                ConfigReader.read(order.runConf(), "optimizer", ScheduleConfig.class),
                config.learningRate(),
                order.totalSteps());
        this.flops = model.flops();
        this.peakFlopsPerSecond = peakFlopsPerSecond;
        this.flightLog = FlightLog.of(order);
        this.owned = owned;
    }

    /**
     * Joins the other ranks, allocates by the plan, then reads this rank's part of the first weights, or of the
     * checkpoint's.
     *
     * @param local components that only this process has
     * @param cancellation ends what is done together with other ranks
     */
    static LoadedShard load(ShardCommand.Load command, LocalComponents local, Cancellation cancellation) {
        TakeShard order = command.order();
        OptimizerConfig config = ConfigReader.read(order.runConf(), "optimizer", OptimizerConfig.class);
        Deque<Runnable> owned = new ArrayDeque<>();
        try {
            RunModel model = RunModel.open(order.runConf(), local);
            owned.push(model::close);
            DeviceSetup setup = DeviceSetup.of(order.runConf());
            Device device = setup.device().of(command.place().slot(), Device.gpus());
            setup.apply(device);
            double peakFlopsPerSecond = device.isCuda() ? MatmulPeak.ofProcess(device) : 0;
            long begunNanos = System.nanoTime();
            RankGroups ranks = RankMeeting.join(command, device, cancellation);
            long joinedNanos = System.nanoTime();
            owned.addLast(cancellation::detach);
            owned.addLast(ranks::close); // after all that may still be on its way to other ranks
            owned.addLast(() -> DeviceMemory.giveBack(device)); // the next plan may want it in other pieces
            ModelShard shard = model.shard(
                    PlanTranslation.layout(order.plan(), order.rank(), PlanTranslation.precision(order.runConf())),
                    ranks,
                    device);
            owned.push(shard::close);
            Optimizer optimizer = optimizer(config, shard);
            owned.push(optimizer::close);
            LossScale lossScale = LossScale.of(shard.precision(), device);
            owned.push(lossScale::close);
            RankState state = new RankState(model.source(), shard, optimizer, lossScale);
            LoadedShard loaded = new LoadedShard(order, model, state, config, peakFlopsPerSecond, owned);
            loaded.stepsDone = loaded.restore(order.checkpoint());
            Duration loading = Duration.ofNanos(System.nanoTime() - joinedNanos);
            loaded.arrival = new Arrival(command.leaving(), Duration.ofNanos(joinedNanos - begunNanos), loading);
            log(shard, loading);
            return loaded;
        } catch (RuntimeException | Error e) {
            owned.forEach(Runnable::run);
            throw e;
        }
    }

    private static void log(ActivationPlan plan) {
        if (plan.fits()) {
            LOG.log(plan.budgetBytes().isPresent() ? Level.INFO : Level.DEBUG, "{0}", plan);
        } else {
            LOG.log(
                    Level.WARNING,
                    "{0}: that may be too much; a smaller data.micro-batch or data.sequence-tokens takes less",
                    plan);
        }
    }

    /** The room that is made for weights and optimizer state is part of the time. */
    private static void log(ModelShard shard, Duration loading) {
        double gigabytes = (double) shard.parameterBytes() / 1e9;
        LOG.log(
                shard.device().isCuda() ? Level.INFO : Level.DEBUG,
                "loaded %.2f GB of weights in %.2f s, %.2f GB/s"
                        .formatted(gigabytes, seconds(loading), gigabytes / seconds(loading)));
    }

    private static Optimizer optimizer(OptimizerConfig config, ModelShard shard) {
        try {
            return Optimizer.of(config, shard.groups());
        } catch (IllegalArgumentException e) { // an entry of optimizer.groups that gets no parameter
            throw new FaultException(FaultCode.CONFIG_INVALID, String.valueOf(e.getMessage()), e);
        }
    }

    /**
     * Begins one step, the {@code batch.index()}-th of the run, together with all other ranks.
     *
     * @param stopWanted whether this rank was told to stop
     */
    PendingStep begin(StepBatch batch, boolean stopWanted) {
        List<MicroBatch> microBatches = MicroBatches.of(batch);
        try {
            PendingStep pending =
                    trainStep.begin(batch.index(), microBatches, learningRate.at(batch.index()), stopWanted);
            stepsDone = batch.index();
            return pending;
        } catch (RuntimeException e) {
            throw DeviceOutOfMemory.explained(e, () -> Holding.now(state.shard(), state.optimizer()), activations);
        }
    }

    /** Where the steps are computed. */
    Device device() {
        return state.shard().device();
    }

    /** Steps that the weights have seen, skipped ones included. */
    long stepsDone() {
        return stepsDone;
    }

    /** The operations that this rank's part of a step needs; 0 where they are not known. */
    double flops(StepBatch batch) {
        return flops.isEmpty()
                ? 0
                : MicroBatches.of(batch).stream().mapToDouble(flops.get()).sum();
    }

    /** What the device reaches in a matrix product; 0 for the CPU. */
    double peakFlopsPerSecond() {
        return peakFlopsPerSecond;
    }

    double learningRateAt(long step) {
        return learningRate.at(step);
    }

    Evaluation evaluation() {
        return new Evaluation(objective);
    }

    /** All of them. */
    Collectives ranks() {
        return state.shard().ranks().world();
    }

    /** Adds up what all ranks have measured; all call it. */
    void finish(Evaluation evaluation) {
        evaluation.finish(ranks());
    }

    /** The sum of what each rank has; all call it. */
    long sumOverRanks(long own) {
        try (TensorScope scope = new TensorScope()) {
            Tensor sum = HostTensors.ofLongs(new long[] {own}, 1);
            ranks().allReduce(sum, Reduction.SUM).await();
            return sum.item_long();
        }
    }

    /** Measured from the tensors and the device's allocator; gradients and activations by what they will be. */
    RankHolding holding() {
        Holding held = Holding.of(state.shard(), state.optimizer());
        return RankHolding.newBuilder()
                .setRank(rank)
                .setParameterBytes(held.parameterBytes())
                .setGradientBytes(held.gradientBytes())
                .setOptimizerBytes(held.optimizerBytes())
                .setRecompute(activations.map(ActivationPlan::words).orElse(""))
                .setActivationBytes(activations.map(ActivationPlan::keptBytes).orElse(0L))
                .setDevice(device().described())
                .setReservedBytes(device().isCuda() ? DeviceMemory.of(device()).reservedBytes() : 0)
                .setLeaveSeconds(seconds(arrival.leaving()))
                .setJoinSeconds(seconds(arrival.joining()))
                .setLoadSeconds(seconds(arrival.loading()))
                .build();
    }

    private static double seconds(Duration duration) {
        return duration.toNanos() / 1e9;
    }

    /** The file of this rank in a checkpoint. */
    String fileName() {
        return "rank-%05d.safetensors".formatted(rank);
    }

    /** What {@link #write} takes on the disk, but for the file's header. */
    long checkpointBytes() {
        return CheckpointWriter.tensorBytes(state);
    }

    WrittenShard write(Path checkpoint) {
        return CheckpointWriter.write(checkpoint.resolve(fileName()), state, stepsDone);
    }

    /** @param checkpoint the folder of a committed checkpoint, which is read; this rank's own weights are not */
    void export(Path checkpoint, Path out) {
        model.export(CheckpointFolder.files(checkpoint), out);
    }

    /** The file that says what this rank last did together with others, where that took suspiciously long. */
    Optional<Path> logFlights() {
        return flightLog.write(ranks().flights(), Instant.now());
    }

    @Override
    public void close() {
        owned.forEach(Runnable::run);
    }

    /** @return the steps that the weights have seen */
    private long restore(Optional<String> checkpoint) {
        if (checkpoint.isPresent()) {
            return CheckpointReader.restore(CheckpointFolder.files(Path.of(checkpoint.get())), state);
        }
        state.shard().load(state.source());
        return 0;
    }
}
