// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.List;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.wire.GroupPlan;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.RankSlice;
import org.chorale.proto.wire.SegmentPlan;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.StoredTensor;
import org.chorale.proto.wire.UnitOutline;
import org.chorale.training.PrecisionConfig;
import org.chorale.training.checkpoint.CheckpointWriter.WrittenShard;
import org.chorale.training.checkpoint.StoredBox;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.UnitLayout;

/** Between the cluster's wire types and those of the modules that know no cluster. */
final class PlanTranslation {
    /** What a user's own model takes is its own affair. */
    private static final long UNLIMITED = Long.MAX_VALUE;

    private PlanTranslation() {}

    /** The key {@code precision} of a resolved configuration. */
    static Precision precision(String runConf) {
        return ConfigReader.read(runConf, "", PrecisionConfig.class).precision();
    }

    static ModelOutline outline(RunModel model, Precision precision) {
        ModelOutline.Builder outline =
                ModelOutline.newBuilder().setComputeDtype(precision.stored().name());
        model.folder()
                .ifPresent(folder -> outline.setFamily(folder.family())
                        .setVocabulary(folder.config().vocabulary())
                        .setContextTokens(folder.config().contextTokens())
                        .setConfigSha256(folder.configSha256()));
        model.own()
                .ifPresent(own -> outline.setFamily(own.model().name())
                        .setVocabulary(UNLIMITED)
                        .setContextTokens(UNLIMITED)
                        .setConfigSha256(own.fingerprint()));
        model.source().units().forEach(unit -> {
            UnitOutline.Builder wire =
                    UnitOutline.newBuilder().setName(unit.name()).setCopied(model.isCopy(unit.name()));
            unit.parameters()
                    .forEach(parameter -> wire.addParameters(ParameterOutline.newBuilder()
                            .setName(parameter.name())
                            .addAllShape(parameter.shape())
                            .setHeldDtype(UnitLayout.Group.heldType(parameter.trainable(), precision)
                                    .name())
                            .setTrainable(parameter.trainable())
                            .setFp8(model.isGatheredInFp8(parameter.name()))));
            outline.addUnits(wire);
        });
        return outline.build();
    }

    /** The rank's units, with the part of each buffer that it holds. */
    static List<UnitLayout> layout(ShardPlan plan, int rank, Precision precision) {
        return plan.getUnitsList().stream()
                .map(unit -> new UnitLayout(
                        unit.getName(),
                        unit.getGroupsList().stream()
                                .map(group -> group(group, rank, precision))
                                .toList()))
                .toList();
    }

    static ShardFile file(int rank, String name, WrittenShard written) {
        ShardFile.Builder file = ShardFile.newBuilder()
                .setRank(rank)
                .setName(name)
                .setBytes(written.file().bytes())
                .setSha256(written.file().sha256());
        written.boxes().forEach(box -> file.addTensors(tensor(box)));
        return file.build();
    }

    private static UnitLayout.Group group(GroupPlan group, int rank, Precision precision) {
        RankSlice slice = group.getSlicesList().stream()
                .filter(part -> part.getRank() == rank)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("the plan has no part for rank " + rank));
        UnitLayout.Group layout = new UnitLayout.Group(
                group.getTrainable(),
                precision,
                group.getFp8(),
                group.getElements(),
                group.getSegmentsList().stream().map(PlanTranslation::segment).toList(),
                slice.getFrom(),
                slice.getUntil());
        if (!layout.heldType().name().equals(group.getDtype())) {
            throw new IllegalArgumentException("the plan holds a buffer in %s; with precision = %s it is held in %s"
                    .formatted(group.getDtype(), precision, layout.heldType()));
        }
        return layout;
    }

    private static UnitLayout.Segment segment(SegmentPlan segment) {
        return new UnitLayout.Segment(segment.getParameter(), segment.getShapeList(), segment.getOffset());
    }

    private static StoredTensor tensor(StoredBox box) {
        return StoredTensor.newBuilder()
                .setKey(box.key())
                .setParameter(box.parameter())
                .setKind(box.kind())
                .addAllShape(box.shape())
                .addAllOffset(box.offset())
                .addAllExtent(box.extent())
                .build();
    }
}
