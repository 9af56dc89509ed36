// Adds the sum of each column to what is there: the second stage of a gradient whose blocks have left their shares.
//
// SCALAR the element type of the sums. A block of 32·32 threads has 32 columns; each of its warps sums every 32nd row in
// order, and then the first one adds up the warps in order.
extern "C" __global__ void __launch_bounds__(1024)
    add_column_sums(const float* shares, SCALAR* sums, int rows, int columns) {
    __shared__ float of_warps[32][33];
    int lane = threadIdx.x % 32;
    int warp = threadIdx.x / 32;
    int column = blockIdx.x * 32 + lane;
    float sum = 0;
    if (column < columns) {
        for (int row = warp; row < rows; row += 32) {
            sum += shares[(long long)row * columns + column];
        }
    }
    of_warps[warp][lane] = sum;
    __syncthreads();
    if (warp == 0 && column < columns) {
        float total = 0;
        for (int i = 0; i < 32; i++) {
            total += of_warps[i][lane];
        }
        sums[column] = narrow<SCALAR>(wide(sums[column]) + total);
    }
}
