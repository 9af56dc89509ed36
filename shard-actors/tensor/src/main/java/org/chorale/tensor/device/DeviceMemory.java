// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import org.bytedeco.pytorch.SizeTPair;
import org.bytedeco.pytorch.Stat;
import org.bytedeco.pytorch.cuda.CUDAAllocator;
import org.bytedeco.pytorch.cuda.DeviceStats;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch_cuda;
import org.chorale.tensor.TensorScope;

/**
 * What this process has of a GPU's memory, by libtorch's caching allocator. What other libraries take (cuBLAS, cuDNN,
 * NCCL, the CUDA context) is not in it, and neither is what other processes have.
 *
 * @param allocatedBytes that tensors hold now
 * @param reservedBytes that the allocator has had from the driver: tensors' and what it keeps for later ones
 * @param peakAllocatedBytes the most that tensors have held since the process began, or {@link #resetPeaks}
 * @param peakReservedBytes likewise of what is reserved
 */
public record DeviceMemory(long allocatedBytes, long reservedBytes, long peakAllocatedBytes, long peakReservedBytes) {

    /**
     * As it is now, as far as the host has got: memory is taken and given back when work is enqueued.
     *
     * @param device a GPU on which a tensor has been made
     */
    public static DeviceMemory of(Device device) {
        byte index = index(device);
        try (TensorScope scope = new TensorScope()) {
            DeviceStats stats = allocator().getDeviceStats(index);
            Stat allocated = stats.allocated_bytes(); // the first of three: of all pools together
            Stat reserved = stats.reserved_bytes();
            return new DeviceMemory(allocated.current(), reserved.current(), allocated.peak(), reserved.peak());
        }
    }

    /** Begins the peaks anew, at what is held now. */
    public static void resetPeaks(Device device) {
        byte index = index(device);
        allocator().resetPeakStats(index);
    }

    /**
     * Bounds what the allocator may reserve; beyond it the error of a GPU without memory comes. Nothing need have been made
     * there before.
     *
     * @param fraction of the GPU's whole memory, above 0 and at most 1
     */
    public static void setFraction(Device device, double fraction) {
        byte index = index(device);
        if (!(fraction > 0 && fraction <= 1)) {
            throw new IllegalArgumentException("a share of a GPU's memory is above 0 and at most 1, not " + fraction);
        }
        torch.globalContext().lazyInitDevice(DeviceType.CUDA); // else the allocator does not know the device yet
        allocator().setMemoryFraction(fraction, index);
    }

    /**
     * Gives the driver what the allocator keeps for later tensors, on all GPUs of the process; nothing on the CPU. Waits
     * until the device has done all that it was given.
     */
    public static void giveBack(Device device) {
        if (device.isCuda()) {
            allocator().emptyCache();
        }
    }

    /** All of the GPU's memory, whoever has it. */
    public static long totalBytes(Device device) {
        byte index = index(device);
        try (TensorScope scope = new TensorScope()) {
            SizeTPair freeAndTotal = allocator().getMemoryInfo(index);
            return freeAndTotal.second();
        }
    }

    /**
     * The most that this process's tensors may hold together, those that are there included: what it has had and what is
     * free, within the share that it may take.
     *
     * @param device a GPU on which a tensor has been made
     */
    public static long attainableBytes(Device device) {
        byte index = index(device);
        try (TensorScope scope = new TensorScope()) {
            SizeTPair freeAndTotal = allocator().getMemoryInfo(index);
            double allowed = allocator().getMemoryFraction(index) * (double) freeAndTotal.second();
            return Math.min((long) allowed, freeAndTotal.first() + of(device).reservedBytes());
        }
    }

    /** The process's one; nobody frees it. */
    private static CUDAAllocator allocator() {
        return torch_cuda.getAllocator();
    }

    private static byte index(Device device) {
        if (!device.isCuda()) {
            throw new IllegalArgumentException("only a GPU has an allocator that counts; asked was " + device);
        }
        return (byte) device.index();
    }
}
