// Halves each element.
extern "C" __global__ void halve(SCALAR* x, int elements) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < elements) {
        x[i] = narrow<SCALAR>(wide(x[i]) / 2);
    }
}
