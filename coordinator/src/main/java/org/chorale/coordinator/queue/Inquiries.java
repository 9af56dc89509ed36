// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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

    /** A submission, who made it, and what came of it. */
    record Outcome(Submission submission, ActorRef<ClientReply> client, Optional<Fault> fault) {}

    private record Inquiry(Submission submission, ActorRef<ClientReply> client, Set<String> silent) {}

    private final Map<Long, Inquiry> open = new HashMap<>();
    private long numbers;

    boolean areTooMany() {
        return open.size() >= MAX;
    }

    /** @param addresses of the nodes that are asked, at least one */
    long begin(Submission submission, ActorRef<ClientReply> client, Set<String> addresses) {
        open.put(++numbers, new Inquiry(submission, client, new HashSet<>(addresses)));
        return numbers;
    }

    /** The first objection decides; else the last answer. */
    Optional<Outcome> onChecked(RunChecked checked) {
        Inquiry inquiry = open.get(checked.inquiry());
        if (inquiry == null || !inquiry.silent().remove(checked.address())) {
            return Optional.empty();
        } else if (checked.fault().isEmpty() && !inquiry.silent().isEmpty()) {
            return Optional.empty();
        }
        Optional<Fault> fault = checked.fault()
                .map(found -> new Fault(found.code(), "node %s: %s".formatted(checked.address(), found.message())));
        return end(checked.inquiry(), fault);
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
                .map(inquiry -> new Outcome(inquiry.submission(), inquiry.client(), fault));
    }
}
