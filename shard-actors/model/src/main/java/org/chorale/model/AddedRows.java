// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model;

import java.nio.DoubleBuffer;
import java.util.HashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.StagedCopy;
import org.chorale.tensor.safetensors.ModelFiles;

/**
 * Rows that embeddings get beyond those of their files: each begins as the mean of the others. That is where Transformers
 * draws them around, too (with 1e-9 of the others' covariance, which is below what bf16 holds), so that a token that is new
 * is neither likely nor impossible (Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models").
 *
 * <p>V rows of the file, D columns.
 */
final class AddedRows {
    /** Numbers of a file that are read at once. */
    private static final long CHUNK = 1 << 22;

    private static final long[] OVER_ROWS = {0};

    private final ModelFiles files;
    private final Map<String, double[]> means = new HashMap<>(); // by the name in the files

    AddedRows(ModelFiles files) {
        this.files = files;
    }

    /** Copies the elements [from, until) of an embedding, of which the files hold the first rows. */
    void copyInto(String stored, long from, long until, Tensor target) {
        long there = files.entry(stored).elements();
        long split = Math.max(from, Math.min(there, until));
        try (TensorScope scope = new TensorScope()) {
            if (from < split) {
                StagedCopy.copy(files.range(stored, from, split), target.narrow(0, 0, split - from));
            }
            if (split < until) {
                copyMeans(stored, split, until, target.narrow(0, split - from, until - split));
            }
        }
    }

    private void copyMeans(String stored, long from, long until, Tensor target) {
        double[] mean = mean(stored);
        long firstRow = from / mean.length;
        long rows = (until + mean.length - 1) / mean.length - firstRow;
        Tensor repeated = HostTensors.ofDoubles(mean, mean.length).expand(rows, mean.length);
        target.copy_(repeated.reshape(-1L).narrow(0, from - firstRow * mean.length, until - from));
    }

    /** Summed in fp64, some rows at a time, always the same ones. */
    private synchronized double[] mean(String stored) {
        return means.computeIfAbsent(stored, name -> {
            long rows = files.entry(name).shape().get(0);
            long width = files.entry(name).shape().get(1);
            long together = Math.max(1, CHUNK / width);
            try (TensorScope scope = new TensorScope()) {
                Tensor sum = HostTensors.zeros(ScalarType.Double, width);
                for (long row = 0; row < rows; row += together) {
                    try (TensorScope chunk = new TensorScope()) {
                        long end = Math.min(rows, row + together);
                        Tensor part =
                                files.range(name, row * width, end * width).to(ScalarType.Double);
                        sum.add_(part.view(end - row, width).sum(OVER_ROWS));
                    }
                }
                double[] mean = new double[(int) width];
                sum.div_(Scalars.of((double) rows)).<DoubleBuffer>createBuffer().get(mean);
                return mean;
            }
        });
    }
}
