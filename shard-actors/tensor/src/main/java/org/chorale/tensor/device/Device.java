// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.bytedeco.pytorch.global.torch_cuda;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;

/**
 * Where tensors live and are computed with: host memory and the CPU, or one GPU.
 *
 * <p>What this makes belongs to the innermost open scope. On a GPU nothing waits: a copy is enqueued on the thread's
 * current stream, like a kernel, and whoever reads on the host waits for an {@link #await}.
 *
 * @param index of the GPU, from 0; −1 for the CPU
 */
public record Device(int index) {
    public static final Device CPU = new Device(-1);

    private static final Pattern NAME = Pattern.compile("cpu|cuda(?::(\\d{1,2}))?");
    private static final ConcurrentMap<Kind, TensorOptions> OPTIONS = new ConcurrentHashMap<>();

    private record Kind(Device device, ScalarType type, boolean pinned) {}

    public Device {
        if (index < -1 || index > Byte.MAX_VALUE) {
            throw new IllegalArgumentException("no device has the index " + index);
        }
    }

    /** One of this machine's GPUs. */
    public static Device cuda(int index) {
        if (index < 0) {
            throw new IllegalArgumentException("GPUs are numbered from 0, not " + index);
        }
        return new Device(index);
    }

    /**
     * Reads what {@link #toString} writes; {@code cuda} is {@code cuda:0}.
     *
     * @throws IllegalArgumentException where it names no device
     */
    public static Device parse(String text) {
        Matcher name = NAME.matcher(text);
        if (!name.matches()) {
            throw new IllegalArgumentException(text + ": no device; must be cpu, cuda or cuda:N");
        }
        String number = name.group(1);
        return text.equals("cpu") ? CPU : cuda(number == null ? 0 : Integer.parseInt(number));
    }

    /** How many GPUs this process can use; none where libtorch is built for the CPU alone, or finds no driver. */
    public static int gpus() {
        return torch.cuda_device_count();
    }

    /** That of a tensor. */
    public static Device of(Tensor tensor) {
        if (tensor.is_cpu()) {
            return CPU;
        }
        try (TensorScope scope = new TensorScope()) {
            return cuda(tensor.device().index());
        }
    }

    public boolean isCuda() {
        return index >= 0;
    }

    /** Makes this the device that the calling thread launches on; nothing for the CPU. */
    public void bind() {
        if (isCuda()) {
            torch_cuda.set_device((byte) index);
        }
    }

    /** Waits until everything that any thread has launched here is done. */
    public void await() {
        if (isCuda()) {
            torch_cuda.device_synchronize();
        }
    }

    /** Uninitialised. */
    public Tensor empty(ScalarType type, long... shape) {
        return torch.empty(shape, options(type, false), null);
    }

    /** All zero. */
    public Tensor zeros(ScalarType type, long... shape) {
        return torch.zeros(shape, options(type, false));
    }

    /** The whole numbers from one until another, as int32. */
    public Tensor range(long from, long until) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(torch.arange(new Scalar(from), new Scalar(until), options(ScalarType.Int, false)));
        }
    }

    /** A copy of the values as int64. */
    public Tensor ofLongs(long[] values, long... shape) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(copyOf(HostTensors.put(values, staging(ScalarType.Long, shape))));
        }
    }

    /** A copy of the values as int32. */
    public Tensor ofInts(int[] values, long... shape) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(copyOf(HostTensors.put(values, staging(ScalarType.Int, shape))));
        }
    }

    /** A copy of the values as fp32. */
    public Tensor ofFloats(float[] values, long... shape) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(copyOf(HostTensors.put(values, staging(ScalarType.Float, shape))));
        }
    }

    /** A copy of the values as fp64. */
    public Tensor ofDoubles(double[] values, long... shape) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(copyOf(HostTensors.put(values, staging(ScalarType.Double, shape))));
        }
    }

    /**
     * A copy of a tensor of the host; on the CPU the tensor itself. Of memory that is not {@link #staging} the copy lets the
     * host wait for the GPU.
     */
    public Tensor copyOf(Tensor host) {
        if (!isCuda()) {
            return host;
        }
        try (TensorScope scope = new TensorScope()) {
            Tensor here = empty(host.scalar_type().intern(), host.sizes().vec().get());
            return scope.keep(here.copy_(host, true));
        }
    }

    /** Host memory from which, and to which, copies run beside whatever the GPU computes; ordinary memory for the CPU. */
    public Tensor staging(ScalarType type, long... shape) {
        return torch.empty(shape, CPU.options(type, isCuda()), null);
    }

    /** Made once for each kind of tensor; the process owns them. */
    private TensorOptions options(ScalarType type, boolean pinned) {
        return OPTIONS.computeIfAbsent(new Kind(this, type, pinned), Device::makeOptions);
    }

    private static TensorOptions makeOptions(Kind kind) {
        try (TensorScope scope = new TensorScope()) {
            DeviceType type = kind.device.isCuda() ? DeviceType.CUDA : DeviceType.CPU;
            TensorOptions options = new TensorOptions(kind.type)
                    .device(new DeviceOptional(new org.bytedeco.pytorch.Device(type, (byte) kind.device.index)))
                    .pinned_memory(new BoolOptional(kind.pinned));
            options.retainReference(); // the process owns it
            return options;
        }
    }

    /** For people, with what kind of GPU it is. */
    public String described() {
        return isCuda() ? this + " " + model() : toString();
    }

    /** What kind of GPU it is, as its driver says; only of a GPU. */
    public String model() {
        try (TensorScope scope = new TensorScope()) {
            return torch_cuda.getDeviceProperties((byte) index).name().getString();
        }
    }

    /** As in torch: {@code cpu}, {@code cuda:0}. */
    @Override
    public String toString() {
        return isCuda() ? "cuda:" + index : "cpu";
    }
}
