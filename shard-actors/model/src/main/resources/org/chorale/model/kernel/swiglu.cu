// inner = silu(gate) · up, and its backward, in place, over rows that may be parts of wider ones.
//
// SCALAR the element type; LANES elements of one access, which divide the width. Each row takes blocksOfRow blocks;
// strides are in elements.

struct Place {
    long long row;
    int column;
};

inline Place place(int blocksOfRow) {
    return {blockIdx.x / blocksOfRow, (int)((blockIdx.x % blocksOfRow) * blockDim.x + threadIdx.x) * LANES};
}

inline float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

extern "C" __global__ void swiglu_forward(
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
        g[lane] *= sigmoid(g[lane]) * u[lane];
    }
    store(inner + at.row * width + at.column, g);
}

// The gradients of gate and up take their places; inner takes that of its own gradient.
extern "C" __global__ void swiglu_backward(
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
        float s = sigmoid(g[lane]);
        float silu = g[lane] * s;
        float inner = silu * u[lane];
        g[lane] = d[lane] * u[lane] * (s + silu * (1 - s));
        u[lane] = d[lane] * silu;
        d[lane] = inner;
    }
    store(dInner, d);
    store(gate, g);
    store(up, u);
}
