// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.List;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.outline.UnitOutline;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.device.Device;
import org.chorale.training.shard.UnitLayout.Group;

/** A model on several ranks of a test, cut as the coordinator cuts it. */
public final class RankShards {
    /** Elements that a rank's part is a multiple of: 256 bytes of the smallest dtype. */
    private static final long ALIGNMENT = 128;

    /** The values of parallel.mode. */
    public enum Mode {
        FULL_SHARD(Gathering.PER_USE),
        KEEP_GATHERED(Gathering.PER_STEP),
        OPTIMIZER_ONLY(Gathering.ALWAYS),
        REPLICATE(Gathering.ALWAYS),
        /** Two copies. */
        HYBRID(Gathering.PER_USE);

        private final Gathering gathering;

        Mode(Gathering gathering) {
            this.gathering = gathering;
        }

        /** Ranks that hold a copy of the model between them. */
        public int shardSize(int worldSize) {
            return switch (this) {
                case FULL_SHARD, KEEP_GATHERED, OPTIMIZER_ONLY -> worldSize;
                case REPLICATE -> 1;
                case HYBRID -> worldSize / 2;
            };
        }

        /** Neighbours hold a copy between them. */
        public RankGroups groups(Collectives world, boolean reduceEachMicroBatch) {
            int size = shardSize(world.worldSize());
            int first = world.rank() / size * size;
            int place = world.rank() - first;
            Collectives shard = world.subgroup(
                    "shard " + first,
                    IntStream.range(first, first + size).boxed().toList());
            Collectives replicas = world.subgroup(
                    "replicas " + place,
                    IntStream.range(0, world.worldSize())
                            .filter(rank -> rank % size == place)
                            .boxed()
                            .toList());
            return new RankGroups(world, shard, replicas, gathering, reduceEachMicroBatch);
        }
    }

    private RankShards() {}

    /** This rank's part of the model with its first weights; buffers that it gives back to the pool hold NaN. */
    public static ModelShard load(ModelFolder folder, Precision precision, RankGroups ranks) {
        return load(folder, folder, precision, ranks);
    }

    /** Likewise, of a model beside which there are other parameters. */
    public static ModelShard load(ModelFolder folder, ParameterSource source, Precision precision, RankGroups ranks) {
        ModelShard shard = new ModelShard(
                layout(source.units(), precision, folder::isGatheredInFp8, ranks),
                ranks,
                new BufferPool(Device.CPU, true),
                (parameters, units) -> folder.model(parameters, units));
        shard.load(source);
        return shard;
    }

    /** Likewise, of a model that computes elsewhere. */
    public static ModelShard load(ParameterSource source, RankGroups ranks) {
        ModelShard shard = new ModelShard(
                layout(source.units(), Precision.FP32, ranks),
                ranks,
                new BufferPool(Device.CPU, true),
                (parameters, units) -> null);
        shard.load(source);
        return shard;
    }

    /** The parts of this rank. */
    public static List<UnitLayout> layout(List<UnitOutline> units, Precision precision, RankGroups ranks) {
        return layout(units, precision, parameter -> false, ranks);
    }

    private static List<UnitLayout> layout(
            List<UnitOutline> units, Precision precision, Predicate<String> fp8, RankGroups ranks) {
        int parts = ranks.shard().worldSize();
        return units.stream()
                .map(unit -> UnitLayout.whole(unit, precision, fp8))
                .map(unit -> new UnitLayout(
                        unit.name(),
                        unit.groups().stream()
                                .map(group -> part(group, ranks.shard().rank(), parts))
                                .toList()))
                .toList();
    }

    private static Group part(Group whole, int index, int parts) {
        if (parts == 1) {
            return whole;
        }
        long unit = parts * ALIGNMENT;
        long elements = (whole.elements() + unit - 1) / unit * unit;
        long held = elements / parts;
        return whole.cut(elements, index * held, (index + 1) * held);
    }
}
