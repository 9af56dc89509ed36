// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.util.List;
import org.bytedeco.cuda.global.nvrtc;
import org.bytedeco.cuda.nvrtc._nvrtcProgram;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.chorale.tensor.TensorScope;

/** NVIDIA's run-time compiler. It needs no GPU, and takes about 0.4 s for a source of six kernels. */
final class Nvrtc implements KernelCompiler {
    @Override
    public String version() {
        int[] major = new int[1];
        int[] minor = new int[1];
        try {
            check(nvrtc.nvrtcVersion(major, minor), "nvrtcVersion");
        } catch (LinkageError e) {
            throw new KernelException(
                    "NVRTC, which compiles kernels for the GPU, cannot be loaded (" + e.getMessage()
                            + "): Bytedeco's CUDA natives and libnvrtc.so.13 of CUDA 13 are needed",
                    e);
        }
        return major[0] + "." + minor[0];
    }

    @Override
    public byte[] compile(KernelSource source, List<String> options) {
        _nvrtcProgram program = new _nvrtcProgram();
        try (TensorScope scope = new TensorScope()) {
            int created = nvrtc.nvrtcCreateProgram(
                    program,
                    new BytePointer(source.text()),
                    new BytePointer(source.name()),
                    0,
                    (PointerPointer<?>) null,
                    (PointerPointer<?>) null);
            check(created, "nvrtcCreateProgram");
            return compile(program, source, options);
        } finally {
            if (!program.isNull()) {
                nvrtc.nvrtcDestroyProgram(program);
            }
        }
    }

    private static byte[] compile(_nvrtcProgram program, KernelSource source, List<String> options) {
        PointerPointer<BytePointer> given = new PointerPointer<>(options.toArray(String[]::new));
        int status = nvrtc.nvrtcCompileProgram(program, options.size(), given);
        if (status != nvrtc.NVRTC_SUCCESS) {
            throw new KernelException("%s with %s does not compile: nvrtcCompileProgram: %s%n%s"
                    .formatted(source.name(), options, text(status), log(program)));
        }
        SizeTPointer bytes = new SizeTPointer(1);
        check(nvrtc.nvrtcGetCUBINSize(program, bytes), "nvrtcGetCUBINSize");
        byte[] code = new byte[Math.toIntExact(bytes.get())];
        check(nvrtc.nvrtcGetCUBIN(program, code), "nvrtcGetCUBIN");
        return code;
    }

    private static String log(_nvrtcProgram program) {
        SizeTPointer bytes = new SizeTPointer(1);
        check(nvrtc.nvrtcGetProgramLogSize(program, bytes), "nvrtcGetProgramLogSize");
        BytePointer log = new BytePointer(Math.max(1, bytes.get()));
        check(nvrtc.nvrtcGetProgramLog(program, log), "nvrtcGetProgramLog");
        return log.getString();
    }

    private static void check(int status, String call) {
        if (status != nvrtc.NVRTC_SUCCESS) {
            throw new KernelException(call + ": " + text(status));
        }
    }

    private static String text(int status) {
        return nvrtc.nvrtcGetErrorString(status).getString();
    }
}
