// The sum of the squares of all elements of flat buffers, in two stages whose order depends on the lengths alone. SCALAR
// is the buffers' type; a block takes CHUNK elements at a time. Lanes are added up in fp32, all beyond in fp64.

constexpr int LANES = 16 / sizeof(SCALAR);

struct Flat {
    const SCALAR* elements;
    long long count;
    long long first_chunk; // chunks of the buffers before it
};

template <int N> float squares(const SCALAR* from) {
    float x[N];
    load(x, from);
    float sum = 0;
#pragma unroll
    for (int i = 0; i < N; i++) {
        sum += x[i] * x[i];
    }
    return sum;
}

// of_blocks [blocks]
extern "C" __global__ void __launch_bounds__(256) squares_of_blocks(
        const Flat* flats, int flat_count, long long chunks, double* of_blocks) {
    double sum = 0;
    int index = 0;
    for (long long chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        while (index + 1 < flat_count && chunk >= flats[index + 1].first_chunk) {
            index++;
        }
        Flat flat = flats[index];
        long long from = (chunk - flat.first_chunk) * CHUNK;
        long long until = from + CHUNK < flat.count ? from + CHUNK : flat.count;
        bool aligned = (unsigned long long)flat.elements % 16 == 0;
        long long lanes_until = aligned ? from + (until - from) / LANES * LANES : from;
#pragma unroll 4
        for (long long at = from + threadIdx.x * LANES; at < lanes_until; at += blockDim.x * LANES) {
            sum += squares<LANES>(flat.elements + at);
        }
        for (long long at = lanes_until + threadIdx.x; at < until; at += blockDim.x) {
            sum += squares<1>(flat.elements + at);
        }
    }
    sum = over_block<Sum>(sum);
    if (threadIdx.x == 0) {
        of_blocks[blockIdx.x] = sum;
    }
}

// One block; total [1].
extern "C" __global__ void __launch_bounds__(256) sum_of_blocks(const double* of_blocks, int blocks, double* total) {
    double sum = 0;
    for (int block = threadIdx.x; block < blocks; block += blockDim.x) {
        sum += of_blocks[block];
    }
    sum = over_block<Sum>(sum);
    if (threadIdx.x == 0) {
        *total = sum;
    }
}
