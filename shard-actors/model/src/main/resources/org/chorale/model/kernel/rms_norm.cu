// y = w · x̂ with x̂ = x · scale and scale = 1 / √(mean(x²) + ε), over contiguous rows of WIDTH elements; FROM_ONE says
// that 1 is added to the weight.
//
// SCALAR the element type; LANES elements of one access, which divide WIDTH; THREADS of a block, a multiple of 32. A
// row is read once and stays in its block's registers. Everything between a load and a store is fp32.

constexpr int ACCESSES = (WIDTH / LANES + THREADS - 1) / THREADS; // of each thread to a row

using Part = float[ACCESSES][LANES]; // of a row, as one thread has it

inline int column(int access) {
    return (access * THREADS + threadIdx.x) * LANES;
}

inline long long start(long long row) {
    return row * WIDTH;
}

inline void read(Part& part, const SCALAR* from) {
#pragma unroll
    for (int access = 0; access < ACCESSES; access++) {
        if (column(access) < WIDTH) {
            load(part[access], from + column(access));
        } else {
#pragma unroll
            for (int lane = 0; lane < LANES; lane++) {
                part[access][lane] = 0;
            }
        }
    }
}

template <typename T> void write(T* to, const Part& part) {
#pragma unroll
    for (int access = 0; access < ACCESSES; access++) {
        if (column(access) < WIDTH) {
            store(to + column(access), part[access]);
        }
    }
}

template <typename F> void each(F f) {
#pragma unroll
    for (int access = 0; access < ACCESSES; access++) {
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            f(access, lane);
        }
    }
}

// What a normalised row is multiplied by.
inline void read_weight(Part& weight, const SCALAR* from) {
    read(weight, from);
    if (FROM_ONE) {
        each([&](int i, int j) { weight[i][j] += 1; });
    }
}

// The normalised row is rounded before it is weighted, as in Transformers' Llama, but not in Gemma.
inline void weigh(Part& row, const SCALAR* weight, float scale) {
    Part w;
    read_weight(w, weight);
    each([&](int i, int j) {
        float normalised = row[i][j] * scale;
        row[i][j] = (FROM_ONE ? normalised : rounded<SCALAR>(normalised)) * w[i][j];
    });
}

// One block per row. Where there is a sum, x is added to it and the sum's row is normalised.
extern "C" __global__ void __launch_bounds__(THREADS)
    rms_norm_forward(const SCALAR* x, SCALAR* sum, const SCALAR* weight, SCALAR* y, float* scale, float epsilon) {
    Part row;
    read(row, x + start(blockIdx.x));
    if (sum != nullptr) {
        Part before;
        read(before, sum + start(blockIdx.x));
        each([&](int i, int j) { row[i][j] = rounded<SCALAR>(row[i][j] + before[i][j]); });
        write(sum + start(blockIdx.x), row);
    }
    float squares = 0;
    each([&](int i, int j) { squares += row[i][j] * row[i][j]; });
    float s = __frsqrt_rn(over_block<Sum>(squares) / WIDTH + epsilon);
    if (threadIdx.x == 0) {
        scale[blockIdx.x] = s;
    }
    weigh(row, weight, s);
    write(y + start(blockIdx.x), row);
}

// dx = scale (w·dy − x̂ mean(w·dy·x̂)), and a residual's gradient added to it, for one row. Where the weight is trained,
// its gradient's share dy·x̂ is added to dWeight.
template <bool TRAINED>
void backward_row(
    const SCALAR* dy,
    const SCALAR* x,
    float scale,
    const Part& weight,
    const SCALAR* residual,
    SCALAR* dx,
    Part& dWeight) {
    Part d, normalised, other;
    read(d, dy);
    read(normalised, x);
    if (residual != nullptr) { // now, so that nobody waits for memory twice
        read(other, residual);
    }
    float dot = 0;
    each([&](int i, int j) {
        normalised[i][j] *= scale;
        if (TRAINED) {
            dWeight[i][j] += d[i][j] * normalised[i][j];
        }
        d[i][j] *= weight[i][j];
        dot += d[i][j] * normalised[i][j];
    });
    float mean = over_block<Sum>(dot) / WIDTH;
    each([&](int i, int j) { d[i][j] = scale * (d[i][j] - normalised[i][j] * mean); });
    if (residual != nullptr) {
        each([&](int i, int j) { d[i][j] += other[i][j]; });
    }
    write(dx, d);
}

// One block per row, of a norm whose weight is frozen.
extern "C" __global__ void __launch_bounds__(THREADS) rms_norm_backward_frozen(
    const SCALAR* dy, const SCALAR* x, const float* scale, const SCALAR* weight, const SCALAR* residual, SCALAR* dx) {
    long long at = start(blockIdx.x);
    Part w, none;
    read_weight(w, weight);
    backward_row<false>(
        dy + at, x + at, scale[blockIdx.x], w, residual == nullptr ? nullptr : residual + at, dx + at, none);
}

// Each block takes rowsOfBlock rows in order, and leaves their share of the weight's gradient in its row of shares.
extern "C" __global__ void __launch_bounds__(THREADS) rms_norm_backward_trained(
    const SCALAR* dy,
    const SCALAR* x,
    const float* scale,
    const SCALAR* weight,
    const SCALAR* residual,
    SCALAR* dx,
    float* shares,
    int rows,
    int rowsOfBlock) {
    Part w, dWeight;
    read_weight(w, weight);
    each([&](int i, int j) { dWeight[i][j] = 0; });
    int first = blockIdx.x * rowsOfBlock;
    for (int row = first; row < first + rowsOfBlock && row < rows; row++) {
        long long at = start(row);
        backward_row<true>(
            dy + at, x + at, scale[row], w, residual == nullptr ? nullptr : residual + at, dx + at, dWeight);
    }
    write(shares + start(blockIdx.x), dWeight);
}
