// inner = CURVE(gate) · up, and its backward, in place, over rows that may be parts of wider ones.
//
// CURVE one of the functions below; SCALAR the element type; LANES elements of one access, which divide the width. Each row takes blocksOfRow blocks;
// strides are in elements.

struct Place {
    long long row;
    int column;
};

inline Place place(int blocksOfRow) {
    return {blockIdx.x / blocksOfRow, (int)((blockIdx.x % blocksOfRow) * blockDim.x + threadIdx.x) * LANES};
}

struct Point {
    float value;
    float slope;
};

inline Point silu(float x) {
    float sigmoid = 1 / (1 + expf(-x));
    float value = x * sigmoid;
    return {value, sigmoid + value * (1 - sigmoid)};
}

// x times the normal distribution's share below it.
inline Point gelu(float x) {
    float below = 0.5f * (1 + erff(x * 0.70710678118654752f)); // x / √2
    float density = 0.39894228040143268f * expf(-0.5f * x * x); // 1 / √(2π)
    return {x * below, below + x * density};
}

inline Point gelu_tanh(float x) {
    constexpr float RATE = 0.79788456080286536f; // √(2/π)
    constexpr float CUBE = 0.044715f;
    float t = tanhf(RATE * (x + CUBE * x * x * x));
    float below = 0.5f * (1 + t);
    return {x * below, below + 0.5f * x * (1 - t * t) * RATE * (1 + 3 * CUBE * x * x)};
}

extern "C" __global__ void glu_forward(
    const SCALAR* gate,
    const SCALAR* up,
    SCALAR* inner,
    int width,
    int blocksOfRow,
    long long gateStride,
    long long upStride) {
    Place at = place(blocksOfRow);
    if (at.column >= width) {
        return;
    }
    float g[LANES], u[LANES];
    load(g, gate + at.row * gateStride + at.column);
    load(u, up + at.row * upStride + at.column);
#pragma unroll
    for (int lane = 0; lane < LANES; lane++) {
        g[lane] = CURVE(g[lane]).value * u[lane];
    }
    store(inner + at.row * width + at.column, g);
}

// The gradients of gate and up take their places; inner takes that of its own gradient.
extern "C" __global__ void glu_backward(
    SCALAR* dInner, SCALAR* gate, SCALAR* up, int width, int blocksOfRow, long long gateStride, long long upStride) {
    Place at = place(blocksOfRow);
    if (at.column >= width) {
        return;
    }
    dInner += at.row * width + at.column;
    gate += at.row * gateStride + at.column;
    up += at.row * upStride + at.column;
    float d[LANES], g[LANES], u[LANES];
    load(d, dInner);
    load(g, gate);
    load(u, up);
#pragma unroll
    for (int lane = 0; lane < LANES; lane++) {
        Point at_gate = CURVE(g[lane]);
        float inner = at_gate.value * u[lane];
        g[lane] = d[lane] * u[lane] * at_gate.slope;
        u[lane] = d[lane] * at_gate.value;
        d[lane] = inner;
    }
    store(dInner, d);
    store(gate, g);
    store(up, u);
}

// Likewise where inner is multiplied by its row's weight: dWeighted is the gradient of that product, and the product takes its
// place. One block for each row, whose weight's gradient is Σ inner · dWeighted.
extern "C" __global__ void glu_weighted_backward(
    SCALAR* dWeighted,
    SCALAR* gate,
    SCALAR* up,
    const float* weights,
    float* dWeights,
    int width,
    long long gateStride,
    long long upStride) {
    long long row = blockIdx.x;
    dWeighted += row * width;
    gate += row * gateStride;
    up += row * upStride;
    float weight = weights[row];
    float sum = 0;
    for (int column = threadIdx.x * LANES; column < width; column += blockDim.x * LANES) {
        float d[LANES], g[LANES], u[LANES];
        load(d, dWeighted + column);
        load(g, gate + column);
        load(u, up + column);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            Point at_gate = CURVE(g[lane]);
            float inner = at_gate.value * u[lane];
            float dInner = d[lane] * weight;
            sum += inner * d[lane];
            g[lane] = dInner * u[lane] * at_gate.slope;
            u[lane] = dInner * at_gate.value;
            d[lane] = inner * weight;
        }
        store(dWeighted + column, d);
        store(gate + column, g);
        store(up + column, u);
    }
    sum = over_block<Sum>(sum);
    if (threadIdx.x == 0) {
        dWeights[row] = sum;
    }
}
