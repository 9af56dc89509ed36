// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.message.RunsCommand.Asked;
import org.chorale.proto.message.RunsCommand.NodeJoined;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.RequestRefused;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunList;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.StepReport;
import org.chorale.proto.wire.WatchedEvent;

/** Stands in for whoever leads the runs: takes every node, knows one run, and tells its events as it is given credit. */
final class PlayedLeader {
    /** A node that has so many is refused. */
    static final int UNWELCOME_SLOTS = 99;

    /** Of the run, and one more that is its end. */
    static final int STEPS = 1_000;

    private final List<NodeJoined> offers = new CopyOnWriteArrayList<>();
    private long told;
    private long credit;

    List<String> nodes() {
        return offers.stream().map(NodeJoined::address).toList();
    }

    /** As a node has made it last. */
    NodeJoined offer(String address) {
        return offers.stream()
                .filter(offer -> offer.address().equals(address))
                .reduce((before, last) -> last)
                .orElseThrow();
    }

    Behavior<RunsCommand> create() {
        return Behaviors.setup(context -> Behaviors.receive(RunsCommand.class)
                .onMessage(NodeJoined.class, joined -> {
                    offers.add(joined);
                    joined.node()
                            .tell(
                                    joined.slots() == UNWELCOME_SLOTS
                                            ? new NodeCommand.Refused(new Fault(FaultCode.NODE_UNFIT, "too many slots"))
                                            : new NodeCommand.Accepted(context.getSelf()));
                    return Behaviors.same();
                })
                .onMessage(Asked.class, asked -> {
                    answer(asked);
                    return Behaviors.same();
                })
                .build());
    }

    private void answer(Asked asked) {
        ClientReply.Builder reply = ClientReply.newBuilder();
        switch (asked.request().getRequestCase()) {
            case LIST ->
                asked.client()
                        .tell(reply.setList(RunList.newBuilder().addRuns(run())).build());
            case DESCRIBE ->
                asked.client().tell(describe(asked.request().getDescribe().getRun()));
            case WATCH -> watch(asked);
            default -> {} // says nothing
        }
    }

    private static ClientReply describe(String run) {
        return run.equals("a")
                ? ClientReply.newBuilder().setStatus(run()).build()
                : ClientReply.newBuilder()
                        .setRefused(RequestRefused.newBuilder()
                                .setFaultCode("COMMAND_INVALID")
                                .setMessage("there is no run " + run))
                        .build();
    }

    private void watch(Asked asked) {
        credit += asked.request().getWatch().getCredit();
        for (; credit > 0 && told <= STEPS; credit--) {
            told++;
            RunEvent event = told > STEPS
                    ? RunEvent.newBuilder()
                            .setEnded(RunEnded.newBuilder().setOutcome(RunEnded.Outcome.FINISHED))
                            .build()
                    : RunEvent.newBuilder()
                            .setStep(StepReport.newBuilder().setStep(told).setSeconds(1))
                            .build();
            asked.client()
                    .tell(ClientReply.newBuilder()
                            .setEvent(WatchedEvent.newBuilder()
                                    .setRun("a")
                                    .setNumber(told)
                                    .setEvent(event))
                            .build());
        }
    }

    private static RunStatus run() {
        return RunStatus.newBuilder()
                .setRun("a")
                .setDirectory("/shared/runs/a")
                .setPhase(RunStatus.Phase.RUNNING)
                .setWorkers(2)
                .build();
    }
}
