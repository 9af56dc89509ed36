// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.bytedeco.pytorch.global.torch_cuda;
import org.bytedeco.pytorch.global.torch_cuda.SyncDebugMode;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceMemory;
import org.chorale.tensor.device.HostCopy;
import org.chorale.tensor.device.StagedCopy;
import org.chorale.tensor.device.Uploads;
import org.chorale.tensor.device.Uploads.Sent;

/**
 * Checks on a GPU, or with the argument {@code cpu} there, that batches arrive whole while the host runs far ahead: a batch
 * is sent and read behind a product that keeps the device busy, again and again, and each must have the sum that the host
 * knows. A copy that came too early, or too late, would show as another batch's sum; libtorch refuses whatever waits.
 * Then that weights arrive as they do when they are loaded, whatever their dtype, and how fast.
 */
public final class UploadCheck {
    private static final int BATCHES = 300;
    private static final int LONGEST = 200_000; // numbers, of one column
    private static final int BUSY_SIDE = 4096; // of a product's square factors, about 0.2 ms on an H200
    private static final long WEIGHTS = 200_000_003; // numbers, no multiple of any piece
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    private UploadCheck() {}

    /** The exit code is 1 where a sum is another. */
    public static void main(String[] arguments) {
        Device device = Arrays.asList(arguments).contains("cpu") ? Device.CPU : Device.cuda(0);
        System.exit(wrong(device, BATCHES) + wrongWeights(device, WEIGHTS) == 0 ? 0 : 1);
    }

    /** @return how many tensors did not arrive, as weights do when they are loaded, as libtorch converts them on the host */
    static int wrongWeights(Device device, long elements) {
        int wrong = 0;
        for (ScalarType from : List.of(ScalarType.BFloat16, ScalarType.Float)) {
            for (ScalarType to : List.of(ScalarType.BFloat16, ScalarType.Float)) {
                try (TensorScope scope = new TensorScope()) {
                    Tensor source = torch.randn(elements).to(from);
                    Tensor target = device.zeros(to, elements);
                    device.await();
                    long startNanos = System.nanoTime();
                    StagedCopy.copy(source, target);
                    device.await();
                    double seconds = (System.nanoTime() - startNanos) / 1e9;
                    boolean same = torch.equal(target.cpu(), source.to(to));
                    wrong += same ? 0 : 1;
                    System.out.printf(
                            "%s to %s: %s, %.2f GB/s%n",
                            from, to, same ? "equal" : "DIFFERENT", (double) source.nbytes() / 1e9 / seconds);
                }
            }
        }
        return wrong;
    }

    /** @return how many batches did not arrive as they were sent */
    static int wrong(Device device, int batches) {
        device.bind();
        Random random = new Random(7);
        long[] sums = new long[batches];
        try (TensorScope scope = new TensorScope();
                Uploads uploads = new Uploads(device)) {
            int side = device.isCuda() ? BUSY_SIDE : 8;
            Tensor factor = device.zeros(ScalarType.BFloat16, side, side);
            Tensor product = device.zeros(ScalarType.BFloat16, side, side);
            Tensor found = device.zeros(ScalarType.Long, batches);
            torch.mm_out(product, factor, factor); // libraries load
            device.await();
            refuseWaits(device, SyncDebugMode.L_ERROR);
            for (int batch = 0; batch < batches; batch++) {
                long[] first =
                        random.longs(1 + random.nextInt(LONGEST), 0, 1 << 20).toArray();
                long[] second = random.longs(random.nextInt(9), 0, 1 << 20).toArray();
                sums[batch] = Arrays.stream(first).sum() - Arrays.stream(second).sum();
                try (TensorScope step = new TensorScope();
                        Sent sent = uploads.send(first, second)) {
                    torch.mm_out(product, factor, factor); // the sums are taken late
                    found.select(0, batch)
                            .copy_(sent.column(0).sum().sub(sent.column(1).sum()));
                }
            }
            refuseWaits(device, SyncDebugMode.L_DISABLED);
            return report(device, found, sums);
        }
    }

    private static int report(Device device, Tensor found, long... sums) {
        int wrong = 0;
        try (TensorScope scope = new TensorScope();
                HostCopy copy = HostCopy.of(found)) {
            Tensor values = copy.await(PATIENCE);
            for (int batch = 0; batch < sums.length; batch++) {
                wrong += values.select(0, batch).item_long() == sums[batch] ? 0 : 1;
            }
        }
        String memory = device.isCuda()
                ? ", %,d bytes reserved".formatted(DeviceMemory.of(device).reservedBytes())
                : "";
        System.out.printf("%d of %d batches arrived whole%s%n", sums.length - wrong, sums.length, memory);
        return wrong;
    }

    private static void refuseWaits(Device device, SyncDebugMode mode) {
        if (device.isCuda()) {
            torch_cuda.warning_state().set_sync_debug_mode(mode);
        }
    }
}
