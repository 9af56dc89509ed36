// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import org.chorale.data.order.RowSubset;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * How many rows of each training source are held out: of every source its share of them, to less than a row, so that they
 * add up. Which ones they are, {@link RowSubset} says.
 *
 * @param train of each source, the rows that are trained
 * @param eval of each source that gives any, the rows that are held out
 */
record HeldOutRows(List<RowSubset> train, List<Held> eval) {
    /**
     * Rows of one source.
     *
     * @param source its number
     */
    record Held(int source, RowSubset rows) {}

    HeldOutRows {
        train = List.copyOf(train);
        eval = List.copyOf(eval);
    }

    /**
     * Splits the sources.
     *
     * @param rows of each source
     * @throws FaultException CONFIG_INVALID where a source would have nothing left to train
     */
    static HeldOutRows of(EvalConfig config, List<Long> rows) {
        long all = rows.stream().mapToLong(Long::longValue).sum();
        long wanted = config.splits() ? wanted(config, all) : 0;
        List<RowSubset> train = new ArrayList<>();
        List<Held> eval = new ArrayList<>();
        long before = 0;
        for (int source = 0; source < rows.size(); source++) {
            long count = rows.get(source);
            long held = part(wanted, before + count, all) - part(wanted, before, all);
            before += count;
            if (held >= count) {
                throw new FaultException(
                        FaultCode.CONFIG_INVALID,
                        "%s: would hold out all %d rows of a training source (number %d); must leave some to train"
                                .formatted(said(config), count, source));
            }
            train.add(RowSubset.rest(count, held));
            if (held > 0) {
                eval.add(new Held(source, RowSubset.heldOut(count, held)));
            }
        }
        return new HeldOutRows(train, eval);
    }

    private static long wanted(EvalConfig config, long all) {
        return config.rows()
                .orElseGet(() -> BigDecimal.valueOf(config.share().orElseThrow())
                        .multiply(BigDecimal.valueOf(all)) // exact in decimals: 0.07 of 100 rows are 7
                        .setScale(0, RoundingMode.CEILING)
                        .longValueExact());
    }

    /** The whole part of {@code wanted · until / all}. */
    private static long part(long wanted, long until, long all) {
        return BigInteger.valueOf(wanted)
                .multiply(BigInteger.valueOf(until))
                .divide(BigInteger.valueOf(all))
                .longValueExact();
    }

    private static String said(EvalConfig config) {
        return config.rows()
                .map(count -> "data.eval.rows = " + count)
                .orElseGet(() -> "data.eval.share = " + config.share().orElseThrow());
    }
}
