// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.fault.FaultKind;
import org.chorale.training.Holding;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** In the words of libtorch 2.10, backtrace included. */
final class DeviceOutOfMemoryTest {
    private static final String ADVICE =
            " If reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True to avoid"
                    + " fragmentation.  See documentation for Memory Management "
                    + " (https://pytorch.org/docs/stable/notes/cuda.html#environment-variables)\n"
                    + "Exception raised from malloc at /pytorch/c10/cuda/CUDACachingAllocator.cpp:1578 (most recent call"
                    + " first):\nframe #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x80";

    private static final String TEXT = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of"
            + " 79.25 GiB of which 1.19 GiB is free. Including non-PyTorch memory, this process has 78.05 GiB memory in"
            + " use. Of the allocated memory 76.50 GiB is allocated by PyTorch, and 574.32 MiB is reserved by PyTorch but"
            + " unallocated." + ADVICE;

    private static final String WITH_OTHERS = "CUDA out of memory. Tried to allocate 576.00 MiB. GPU 3 has a total"
            + " capacity of 31.36 GiB of which 370.69 MiB is free. Process 16335 has 25.34 GiB memory in use. Including"
            + " non-PyTorch memory, this process has 5.55 GiB memory in use. 20.00 GiB allowed; Of the allocated memory"
            + " 4.00 GiB is allocated by PyTorch, with 1.00 GiB allocated in private pools (e.g., CUDA Graphs), and 1.25"
            + " GiB is reserved by PyTorch but unallocated." + ADVICE;

    @Test
    void itSaysWhatWasAskedWhatHoldsWhatAndWhatNeedsLess() {
        Fault fault = lack(TEXT).fault(Optional.of(new Holding(gib(15), gib(5), gib(10))));

        assertThat(fault.code()).isEqualTo(FaultCode.DEVICE_OUT_OF_MEMORY);
        assertThat(fault.code().kind()).isEqualTo(FaultKind.USER);
        assertThat(fault.message())
                .isEqualTo(
                        "GPU 0 has no memory left for 2.00 GiB, of 79.25 GiB 1.19 GiB are free; tensors hold 76.50 GiB:"
                                + " parameters 15.00 GiB, gradients 5.00 GiB, optimizer 10.00 GiB, activations and buffers 46.50"
                                + " GiB; model.recompute = full or a smaller data.micro-batch needs less, and so does"
                                + " model.adapter.type = lora or precision = bf16-true");
    }

    @Test
    void whereTheStateTakesMostWhatMakesItSmallerComesFirst() {
        String message = lack(TEXT)
                .fault(Optional.of(new Holding(gib(30), gib(15), gib(30))))
                .message();
        assertThat(message).containsSubsequence("activations and buffers 1.50 GiB", "lora", "model.recompute");
    }

    @Test
    void otherProcessesALimitAndFragmentsAreNamedWhereTheyMatter() {
        assertThat(lack(WITH_OTHERS).fault(Optional.empty()).message())
                .startsWith("GPU 3 has no memory left for 576.0 MiB, of 31.36 GiB 370.7 MiB are free, this process may"
                        + " have 20.00 GiB by parallel.memory-fraction; tensors hold 4.00 GiB; other processes hold 25.45 GiB of this GPU; 1.25 GiB"
                        + " are free, but in pieces too small: PYTORCH_ALLOC_CONF=expandable_segments:True");
        assertThat(lack(TEXT).fault(Optional.empty()).message()).doesNotContain("other processes", "pieces");
    }

    @Test
    void aShareThatIsAllOfTheMemoryIsNoBound() {
        String all = TEXT.replace("in use. Of the", "in use. 79.25 GiB allowed; Of the");
        assertThat(all).isNotEqualTo(TEXT);
        assertThat(lack(all).fault(Optional.empty())).isEqualTo(lack(TEXT).fault(Optional.empty()));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                "CUDA out of memory. Tried to allocate more than 1EB memory.",
                "CUDA out of memory. Tried to allocate 99999999999999999999999999 GiB. GPU 123456 has"
            })
    void whatTheTextDoesNotTellIsLeftOut(String text) {
        assertThat(lack(text).fault(Optional.empty()).message())
                .startsWith("the GPU has no memory left; model.recompute = full")
                .doesNotContain("GiB");
    }

    @Test
    void whatIsNoLackOfDeviceMemoryStaysWhatItIs() {
        assertThat(DeviceOutOfMemory.of(new RuntimeException("DefaultCPUAllocator: can't allocate memory")))
                .isEmpty();
        assertThat(DeviceOutOfMemory.of(new RuntimeException((String) null))).isEmpty();
        RuntimeException other = new RuntimeException("mat1 and mat2 shapes cannot be multiplied");
        assertThat(DeviceOutOfMemory.explained(other, () -> {
                    throw new AssertionError("nothing is to be measured");
                }))
                .isSameAs(other);
    }

    @Test
    void aStepThatFailsForItCarriesTheFaultAndItsCause() {
        RuntimeException failure = new RuntimeException(TEXT);
        RuntimeException explained = DeviceOutOfMemory.explained(failure, () -> new Holding(gib(15), gib(5), gib(10)));
        assertThat(explained).isInstanceOf(FaultException.class).hasCause(failure);
        assertThat(FaultTranslation.of(explained).code()).isEqualTo(FaultCode.DEVICE_OUT_OF_MEMORY);
        assertThat(FaultTranslation.of(failure).message()).contains("tensors hold 76.50 GiB; model.recompute");
    }

    private static DeviceOutOfMemory lack(String text) {
        return DeviceOutOfMemory.of(new RuntimeException(text)).orElseThrow();
    }

    private static long gib(int count) {
        return (long) count << 30;
    }
}
