// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.cuda.cudart.CUmod_st;

/**
 * A CUDA source of ours with its macros, whose {@code extern "C"} functions are kernels.
 *
 * <p>Nothing happens before the first launch on a device: then the source is compiled for it, or found in the cache on
 * disk, and loaded, which waits for nothing that runs there. What is loaded stays as long as the process: there are as
 * many modules as sources and element types.
 *
 * <p>A source includes no header. Before it stands {@code prelude.cuh}, which has the element types {@code bf16},
 * {@code fp16} and {@code float}, their conversions, loads and stores of 16 bytes, and sums over a block.
 */
public final class KernelModule {
    private static final ConcurrentMap<Name, KernelModule> MODULES = new ConcurrentHashMap<>();
    private static final ConcurrentMap<Integer, Integer> ARCHITECTURES = new ConcurrentHashMap<>(); // by device

    private final KernelSource source;
    private final ConcurrentMap<String, Kernel> kernels = new ConcurrentHashMap<>();
    private final ConcurrentMap<Integer, CUmod_st> loaded = new ConcurrentHashMap<>(); // by device

    private record Name(Class<?> owner, String resource, Map<String, String> definitions) {}

    /** What every module is made with; its own class, so that nothing of CUDA is touched before a kernel is used. */
    private static final class Binaries {
        static final KernelBinaries PROCESS = KernelBinaries.ofThisProcess();
    }

    private KernelModule(KernelSource source) {
        this.source = source;
    }

    /**
     * The module of this name, the same for every caller.
     *
     * @param owner beside which the resource lies
     * @param definitions macros of the source, such as {@code SCALAR=bf16}
     */
    public static KernelModule of(Class<?> owner, String resource, Map<String, String> definitions) {
        return MODULES.computeIfAbsent(
                new Name(owner, resource, Map.copyOf(definitions)),
                name -> new KernelModule(KernelSource.of(owner, resource, definitions)));
    }

    /** The compute capability of a GPU, for which kernels are compiled, as one number: 90 for 9.0. */
    public static int architecture(int device) {
        return ARCHITECTURES.computeIfAbsent(device, number -> {
            Driver.enterContext();
            return Driver.architecture(number);
        });
    }

    /** A function of the source; whether it has it is seen at the first launch. */
    public Kernel kernel(String function) {
        Kernel known = kernels.get(function);
        return known != null ? known : kernels.computeIfAbsent(function, name -> new Kernel(this, name));
    }

    /** On the current device, which is the given one. */
    CUmod_st load(int device) {
        return loaded.computeIfAbsent(
                device, d -> Driver.load(Binaries.PROCESS.of(source, Driver.architecture(d)), source.name()));
    }
}
