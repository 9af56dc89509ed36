// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import java.util.List;

/**
 * A shared library that libtorch's build for GPUs, or Chorale's kernels, cannot do without, and where it comes from.
 *
 * @param name that it is loaded by
 * @param debian the package of NVIDIA's repository for Debian and Ubuntu
 * @param wheel the package that pip installs, in the release that fits; none for what comes with the driver
 * @param wheelFolder where the library lies in the folder that pip installs into
 */
record CudaLibrary(String name, String debian, String wheel, String wheelFolder) {
    private static final String CUDA_FOLDER = "nvidia/cu13/lib";

    /** Over which several GPUs work together. */
    static final CudaLibrary NCCL = new CudaLibrary("libnccl.so.2", "libnccl2", "nvidia-nccl-cu13", "nvidia/nccl/lib");

    /** Each with what needs it; sonames and versions are those of CUDA 13. */
    static final List<CudaLibrary> NEEDED = List.of(
            new CudaLibrary("libcuda.so.1", "libnvidia-compute-580 (or later)", "", ""),
            ofCuda("libcudart.so.13", "cuda-cudart-13-1", "nvidia-cuda-runtime==13.*"),
            ofCuda("libcupti.so.13", "cuda-cupti-13-1", "nvidia-cuda-cupti==13.*"),
            ofCuda("libcublas.so.13", "libcublas-13-1", "nvidia-cublas==13.*"),
            ofCuda("libcublasLt.so.13", "libcublas-13-1", "nvidia-cublas==13.*"),
            ofCuda("libcusparse.so.12", "libcusparse-13-1", "nvidia-cusparse==12.*"),
            ofCuda("libcusolver.so.12", "libcusolver-13-1", "nvidia-cusolver==12.*"),
            ofCuda("libcufft.so.12", "libcufft-13-1", "nvidia-cufft==12.*"),
            ofCuda("libcurand.so.10", "libcurand-13-1", "nvidia-curand==10.*"),
            ofCuda("libcufile.so.0", "libcufile-13-1", "nvidia-cufile==1.*"),
            ofCuda("libnvJitLink.so.13", "libnvjitlink-13-1", "nvidia-nvjitlink==13.*"),
            ofCuda("libnvrtc.so.13", "cuda-nvrtc-13-1", "nvidia-cuda-nvrtc==13.*"),
            new CudaLibrary("libcudnn.so.9", "libcudnn9-cuda-13", "nvidia-cudnn-cu13", "nvidia/cudnn/lib"),
            NCCL);

    private static CudaLibrary ofCuda(String name, String debian, String wheel) {
        return new CudaLibrary(name, debian, wheel, CUDA_FOLDER);
    }

    /** How to get it. */
    String remedy() {
        String apt = "apt-get install " + debian + " (NVIDIA's repository)";
        return wheel.isEmpty()
                ? apt + "; it comes with the driver"
                : apt + ", or pip install '" + wheel + "' and its " + wheelFolder + " on LD_LIBRARY_PATH";
    }
}
