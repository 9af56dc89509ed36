// sums[e] += scale · products[e] for every group e that has rows. Where the sums are first written, a group without rows
// gets zeros; what lies in the place of its products means nothing, not even a number.

constexpr int LANES = 16 / sizeof(bf16);

// elements of each group, strides from one group to the next; ends [groups], behind the last row of each
extern "C" __global__ void __launch_bounds__(256) group_sum(
    const bf16* products,
    float* sums,
    const int* ends,
    float scale,
    int first,
    long long elements,
    long long productStride,
    long long sumStride) {
    int group = blockIdx.y;
    long long at = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * LANES;
    bool empty = ends[group] == (group == 0 ? 0 : ends[group - 1]);
    if (at >= elements || (empty && !first)) {
        return;
    }
    sums += group * sumStride + at;
    float sum[LANES] = {};
    if (!first) {
        load(sum, sums);
    }
    if (!empty) {
        float x[LANES];
        load(x, products + group * productStride + at);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            sum[lane] += scale * x[lane];
        }
    }
    store(sums, sum);
}
