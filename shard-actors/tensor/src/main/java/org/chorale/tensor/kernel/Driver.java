// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.chorale.tensor.TensorScope;

/** The calls of CUDA's driver that the kernels need, each checked. */
final class Driver {
    private Driver() {}

    /** Makes libtorch's context of the current device that of the calling thread as well, which launches through it. */
    static void enterContext() {
        int status = cudart.cudaFree(null);
        if (status != cudart.cudaSuccess) {
            throw new KernelException(
                    "cudaFree: " + cudart.cudaGetErrorString(status).getString());
        }
    }

    /** Compute capability of a device as one number: 90 for 9.0. */
    static int architecture(int device) {
        return 10 * attribute(cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
                + attribute(cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
    }

    /** Loads machine code into the current context, which keeps it as long as the process lives. */
    static CUmod_st load(byte[] code, String name) {
        CUmod_st module = new CUmod_st();
        try (TensorScope scope = new TensorScope()) {
            check(cudart.cuModuleLoadData(module, new BytePointer(code)), "cuModuleLoadData of " + name);
        }
        return module;
    }

    static CUfunc_st function(CUmod_st module, String name) {
        CUfunc_st function = new CUfunc_st();
        check(cudart.cuModuleGetFunction(function, module, name), "cuModuleGetFunction of " + name);
        return function;
    }

    /** Bytes of each of a function's arguments. */
    static List<Integer> argumentBytes(CUfunc_st function) {
        List<Integer> sizes = new ArrayList<>();
        try (TensorScope scope = new TensorScope()) {
            SizeTPointer offset = new SizeTPointer(1);
            SizeTPointer bytes = new SizeTPointer(1);
            while (cudart.cuFuncGetParamInfo(function, sizes.size(), offset, bytes) == cudart.CUDA_SUCCESS) {
                sizes.add(Math.toIntExact(bytes.get()));
            }
        }
        return List.copyOf(sizes);
    }

    static void check(int status, String call) {
        if (status != cudart.CUDA_SUCCESS) {
            throw new KernelException("%s: %s".formatted(call, text(status)));
        }
    }

    private static int attribute(int attribute, int device) {
        int[] value = new int[1];
        check(cudart.cuDeviceGetAttribute(value, attribute, device), "cuDeviceGetAttribute");
        return value[0];
    }

    private static String text(int status) {
        BytePointer text = new BytePointer((Pointer) null); // the driver owns what it will point to
        return cudart.cuGetErrorString(status, text) == cudart.CUDA_SUCCESS
                ? text.getString() + " (" + status + ")"
                : "unknown error " + status;
    }
}
