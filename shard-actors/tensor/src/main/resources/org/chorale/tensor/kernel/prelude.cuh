// Stands before every kernel source: element types as bits (no header of CUDA is at hand where kernels are compiled),
// accesses of 16 bytes, and sums and maxima over a block whose order is fixed, so that a run repeats bit for bit.

struct bf16 {
    unsigned short bits;
};

struct fp16 {
    unsigned short bits;
};

inline float wide(float x) {
    return x;
}

inline float wide(bf16 x) {
    return __uint_as_float((unsigned)x.bits << 16);
}

inline float wide(fp16 x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}

// Rounds to the nearest, ties to even.
template <typename T> T narrow(float x);

template <> inline float narrow<float>(float x) {
    return x;
}

template <> inline bf16 narrow<bf16>(float x) {
#if __CUDA_ARCH__ >= 800
    unsigned short bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return {bits};
#else
    if (x != x) {
        return {0x7fff};
    }
    unsigned bits = __float_as_uint(x);
    return {(unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
#endif
}

template <> inline fp16 narrow<fp16>(float x) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return {bits};
}

// What a value becomes that is stored in a T and read again.
template <typename T> float rounded(float x) {
    return wide(narrow<T>(x));
}

// N elements that lie side by side, aligned as a whole up to 16 bytes.
template <typename T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Lanes {
    T at[N];
};

template <int N, typename T> void load(float (&to)[N], const T* from) {
    Lanes<T, N> lanes = *(const Lanes<T, N>*)from;
#pragma unroll
    for (int i = 0; i < N; i++) {
        to[i] = wide(lanes.at[i]);
    }
}

template <int N, typename T> void store(T* to, const float (&from)[N]) {
    Lanes<T, N> lanes;
#pragma unroll
    for (int i = 0; i < N; i++) {
        lanes.at[i] = narrow<T>(from[i]);
    }
    if constexpr (sizeof(lanes) % sizeof(uint4) == 0) {
#pragma unroll
        for (int i = 0; i < sizeof(lanes) / sizeof(uint4); i++) { // left to itself, the compiler may take it apart
            uint4 word = ((const uint4*)&lanes)[i];
            asm volatile("st.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"((uint4*)to + i),
                         "r"(word.x),
                         "r"(word.y),
                         "r"(word.z),
                         "r"(word.w)
                         : "memory");
        }
    } else {
        *(Lanes<T, N>*)to = lanes;
    }
}

struct Sum {
    template <typename T> static T of(T a, T b) {
        return a + b;
    }
};

struct Max {
    template <typename T> static T of(T a, T b) {
        return a < b ? b : a;
    }
};

// Reduces one value of each thread to one that all get: first within warps, then over the warps in order. All threads
// of the block call it, of which there are a multiple of 32.
template <typename Operation, typename T> T over_block(T x) {
    __shared__ T of_warps[32];
    for (int distance = 16; distance > 0; distance /= 2) {
        x = Operation::of(x, __shfl_xor_sync(0xffffffff, x, distance));
    }
    __syncthreads(); // nobody still reads what an earlier call left
    if (threadIdx.x % 32 == 0) {
        of_warps[threadIdx.x / 32] = x;
    }
    __syncthreads();
    T all = of_warps[0];
    for (int warp = 1; warp < blockDim.x / 32; warp++) {
        all = Operation::of(all, of_warps[warp]);
    }
    return all;
}
