// sums[r] = Σ_j weights[r, j] · slots[places[r, j]], the slots of a row in their order.
//
// SCALAR the element type; LANES elements of one access, which divide the width. Each row takes blocksOfRow blocks.

// slots [rows · chosen, width], places and weights [rows, chosen], sums [rows, width]; no weights for 1
extern "C" __global__ void slot_sum(
    const SCALAR* slots,
    const long long* places,
    const float* weights,
    SCALAR* sums,
    int width,
    int chosen,
    int blocksOfRow) {
    long long row = blockIdx.x / blocksOfRow;
    int column = (int)((blockIdx.x % blocksOfRow) * blockDim.x + threadIdx.x) * LANES;
    if (column >= width) {
        return;
    }
    places += row * chosen;
    float sum[LANES] = {};
#pragma unroll 4
    for (int j = 0; j < chosen; j++) {
        float weight = weights == nullptr ? 1 : weights[row * chosen + j];
        float x[LANES];
        load(x, slots + places[j] * width + column);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            sum[lane] += weight * x[lane];
        }
    }
    store(sums + row * width + column, sum);
}
