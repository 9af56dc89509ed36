// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.RunsCommand.RunChecked;
import org.chorale.proto.wire.ClientReply;

/** Submissions of which the nodes have yet to say whether they can work for them. */
final class Inquiries {
    /** Submissions that are looked at together. */
    static final int MAX = 100;

    /**
     * A submission, who made it, and what came of it.
     *
     * @param usersClasses by the address of each node that can work for it, as in {@link RunChecked}
     */
    record Outcome(
            Submission submission,
            ActorRef<ClientReply> client,
            Map<String, String> usersClasses,
            Optional<Fault> fault) {}

    private record Inquiry(
            Submission submission,
            ActorRef<ClientReply> client,
            Set<String> silent,
            Map<String, String> usersClasses) {}

    private final Map<Long, Inquiry> open = new HashMap<>();

    boolean areTooMany() {
        return open.size() >= MAX;
    }

    /** @param addresses of the nodes that are asked, at least one */
    void begin(long number, Submission submission, ActorRef<ClientReply> client, Set<String> addresses) {
        open.put(number, new Inquiry(submission, client, new HashSet<>(addresses), new TreeMap<>()));
    }

    /** The first objection decides; else the last answer. */
    Optional<Outcome> onChecked(RunChecked checked) {
        Inquiry inquiry = open.get(checked.inquiry());
        if (inquiry == null || !inquiry.silent().remove(checked.address())) {
            return Optional.empty();
        }
        inquiry.usersClasses().put(checked.address(), checked.usersClasses());
        if (checked.fault().isEmpty() && !inquiry.silent().isEmpty()) {
            return Optional.empty();
        }
        Optional<Fault> fault = checked.fault()
                .map(found -> new Fault(found.code(), "node %s: %s".formatted(checked.address(), found.message())))
                .or(() -> unlike(inquiry.usersClasses()));
        return end(checked.inquiry(), fault);
    }

    /** Ranks that run other code of the same name would train something that nobody has written. */
    private static Optional<Fault> unlike(Map<String, String> usersClasses) {
        if (usersClasses.values().stream().distinct().count() <= 1) {
            return Optional.empty();
        }
        String lines = usersClasses.entrySet().stream()
                .map(node -> "\n  node %s: SHA-256 %s".formatted(node.getKey(), node.getValue()))
                .collect(Collectors.joining());
        return Optional.of(new Fault(
                FaultCode.NODE_UNFIT,
                "CHORALE_CLASS_PATH must hold the same on all nodes, for the run names classes that are not Chorale's:"
                        + lines));
    }

    /** Some have not answered in time. */
    Optional<Outcome> onSilence(long number, long seconds) {
        Inquiry inquiry = open.get(number);
        if (inquiry == null) {
            return Optional.empty();
        }
        String nodes = inquiry.silent().stream().sorted().collect(Collectors.joining(", "));
        Fault fault = new Fault(
                FaultCode.TIMED_OUT,
                "node %s: has not said within %d seconds whether it can work for the run".formatted(nodes, seconds));
        return end(number, Optional.of(fault));
    }

    private Optional<Outcome> end(long number, Optional<Fault> fault) {
        return Optional.ofNullable(open.remove(number))
                .map(inquiry -> new Outcome(inquiry.submission(), inquiry.client(), inquiry.usersClasses(), fault));
    }
}
