// Adds rows of dy to the rows of a table's gradient that their tokens name. SCALAR is dy's type, SUM the gradient's.
//
// R rows are sorted by token, rows of one token in their own order, and cut into windows of WINDOW rows, each for one
// block (and each LANES columns of it for one thread). What lies inside a window is added to the gradient at once. A token
// that goes on over a window's edge leaves partial sums, which the window where it begins adds up in the second stage:
// nothing is added atomically, so the order is always the same, and a token that fills all windows is as quick as any.

constexpr int LANES = 16 / sizeof(SCALAR);
constexpr int AHEAD = 4; // rows that are on their way at once

// Sums of the tokens that a window shares with others, [windows, 2, width]: of the first token where it comes from the
// window before, and of the last where it begins here and goes on. A token that fills a window is in the first.
constexpr int FROM_BEFORE = 0;
constexpr int GOES_ON = 1;

template <int N> void add(float (&sum)[N], const float (&x)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) {
        sum[i] += x[i];
    }
}

template <typename T> void add_to(T* row, const float (&sum)[LANES]) {
    float x[LANES];
    load(x, row);
    add(x, sum);
    store(row, x);
}

// dy [rows, width], tokens [rows] sorted, order [rows]: the row of dy that each comes from; gradient [vocabulary, width]
extern "C" __global__ void __launch_bounds__(256) add_windows(
        const SCALAR* dy, const int* tokens, const long long* order, long long rows, int width, int vocabulary,
        SUM* gradient, float* partial_sums) {
    __shared__ int window_tokens[WINDOW + 1];
    __shared__ long long window_order[WINDOW];
    long long from = (long long)blockIdx.x * WINDOW;
    int count = (int)(rows - from < WINDOW ? rows - from : WINDOW);
    if (threadIdx.x < count) {
        window_tokens[threadIdx.x] = tokens[from + threadIdx.x];
        window_order[threadIdx.x] = order[from + threadIdx.x];
    }
    if (threadIdx.x == 0) {
        window_tokens[count] = from + count < rows ? tokens[from + count] : -1;
    }
    __syncthreads();
    int column = (blockIdx.y * blockDim.x + threadIdx.x) * LANES;
    if (column >= width) {
        return;
    }
    bool from_before = from > 0 && tokens[from - 1] == window_tokens[0];
    float* partial = partial_sums + blockIdx.x * 2LL * width + column;
    float sum[LANES] = {};
    for (int base = 0; base < count; base += AHEAD) {
        float x[AHEAD][LANES];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            if (base + i < count) {
                load(x[i], dy + window_order[base + i] * width + column);
            }
        }
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            int at = base + i;
            if (at >= count) {
                break;
            }
            add(sum, x[i]);
            int token = window_tokens[at];
            bool ends = token != window_tokens[at + 1];
            if (!ends && at + 1 < count) {
                continue;
            }
            if (from_before) {
                store(partial + FROM_BEFORE * width, sum);
                from_before = false;
            } else if (!ends) {
                store(partial + GOES_ON * width, sum);
            } else if (token >= 0 && token < vocabulary) {
                add_to(gradient + (long long)token * width + column, sum);
            }
#pragma unroll
            for (int lane = 0; lane < LANES; lane++) {
                sum[lane] = 0;
            }
        }
    }
}

// One block per window, in which a token may begin that goes on.
extern "C" __global__ void __launch_bounds__(256) add_partial_sums(
        const int* tokens, long long rows, int width, int vocabulary, SUM* gradient, const float* partial_sums) {
    long long next = (blockIdx.x + 1LL) * WINDOW; // the first row of the next window
    int column = (blockIdx.y * blockDim.x + threadIdx.x) * LANES;
    if (column >= width || next >= rows) {
        return;
    }
    int token = tokens[next];
    bool goes_on = tokens[next - 1] == token;
    bool begins_before = tokens[next - WINDOW] == token && next > WINDOW && tokens[next - WINDOW - 1] == token;
    if (!goes_on || begins_before || token < 0 || token >= vocabulary) {
        return;
    }
    const float* partial = partial_sums + blockIdx.x * 2LL * width + column;
    float sum[LANES];
    load(sum, partial + GOES_ON * width);
    for (; next < rows && tokens[next] == token; next += WINDOW) {
        partial += 2LL * width;
        float x[LANES];
        load(x, partial + FROM_BEFORE * width);
        add(sum, x);
    }
    add_to(gradient + (long long)token * width + column, sum);
}
