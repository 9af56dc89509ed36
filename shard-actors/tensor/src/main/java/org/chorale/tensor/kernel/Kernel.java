// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.pytorch.global.torch_cuda;

/**
 * A function that runs on the GPU, launched on libtorch's current stream of the calling thread's device:
 *
 * <pre>{@code
 * module.kernel("scale").launch().tensor(x).tensor(y).number(factor).count(elements).run(blocks, threads);
 * }</pre>
 */
public final class Kernel {
    private static final ThreadLocal<Launch> LAUNCHES = ThreadLocal.withInitial(Launch::entering);

    private final KernelModule module;
    private final String name;
    private final AtomicReferenceArray<Loaded> loaded = new AtomicReferenceArray<>(Byte.MAX_VALUE + 1); // by device

    /**
     * As it lies on a device.
     *
     * @param argumentBytes of each argument
     */
    record Loaded(String name, CUfunc_st function, List<Integer> argumentBytes) {}

    Kernel(KernelModule module, String name) {
        this.module = module;
        this.name = name;
    }

    /** Begins a launch: the arguments follow in the function's order, and then {@link Launch#run}. */
    public Launch launch() {
        Launch launch = LAUNCHES.get();
        int device = torch_cuda.current_device();
        Loaded here = loaded.get(device);
        return launch.begin(here != null ? here : load(device));
    }

    private Loaded load(int device) {
        CUfunc_st function = Driver.function(module.load(device), name);
        Loaded here = new Loaded(name, function, Driver.argumentBytes(function));
        loaded.set(device, here);
        return here;
    }
}
