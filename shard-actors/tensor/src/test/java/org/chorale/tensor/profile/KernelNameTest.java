// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class KernelNameTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_15CUDAFunctor_addIfEESt5arrayIPcLm3EEEEviT0_T1_"
                        + "|vectorized_elementwise_kernel<CUDAFunctor_add>",
                "_ZN2at6native18elementwise_kernelILi128ELi4EZNS0_22gpu_kernel_impl_nocastIZZZNS0_23direct_copy_kernel_cuda"
                        + "ERNS_18TensorIteratorBaseEENKUlvE1_clEvENKUlvE8_clEvEUlN3c108BFloat16EE_EEvS4_RKT_EUlibE_EEviT1_"
                        + "|elementwise_kernel<gpu_kernel_impl_nocast, direct_copy_kernel_cuda, BFloat16>",
                "_ZN13pytorch_flash16flash_fwd_kernelI23Flash_fwd_kernel_traitsILi64ELi128ELi128ELi4ELb0ELb0EEEvNS_16Flash_fwd_paramsE"
                        + "|pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits, Flash_fwd_params>",
                "_ZN7cutlass7Kernel2I68cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_16x16_128x2_tn_align8EEvNT_6ParamsE"
                        + "|cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_16x16_128x2_tn_align8>",
                "_Z6simpleILi32EEvPf|simple",
                "nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_NNT|nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_NNT",
                "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)|ncclDevKernel_AllGather_RING_LL"
            })
    void aNameTellsTheFunctionAndWhatItIsMadeFor(String name, String expected) {
        assertThat(KernelName.shorten(name)).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"_Z", "_ZN", "_Z99999999999", "_Z5abc", "_ZL", "_ZS", "_ZT9", "_ZNLi", "", "(", "_Z3abcLi"})
    void aNameThatIsCutOffIsStillOne(String name) {
        assertThat(KernelName.shorten(name)).isNotNull().hasSizeLessThanOrEqualTo(Math.max(name.length(), 1));
    }

    @ParameterizedTest
    @ValueSource(ints = {201, 5000})
    void aLongNameIsCut(int letters) {
        assertThat(KernelName.shorten("k".repeat(letters))).hasSize(200);
    }
}
