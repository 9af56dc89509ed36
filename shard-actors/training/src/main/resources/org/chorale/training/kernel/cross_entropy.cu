// Cross entropy of rows of logits, and its gradient in the logits' place. SCALAR is the logits' type. One block per row,
// which is read once for its softmax (online: Milakov and Gimelshein 2018, arXiv 1805.02867) and once more, from its end,
// which is the likeliest to be in a cache still, to be overwritten.

constexpr int LANES = 16 / sizeof(SCALAR);
constexpr float LOWEST = -1e38f; // an infinity, or what overflows in shift_of, would make NaN of its own difference
constexpr float LOG2_E = 1.4426950408889634f;

// exp(x − max) is 2 to the power of x·log2(e) + shift, two instructions of which expf needs eight. A row takes two of
// these for each class, and memory feeds classes as fast as that.
inline float shift_of(float max) {
    return -max * LOG2_E;
}

inline float power_of_2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

inline float exponential(float x, float shift) {
    return power_of_2(__fmaf_rn(x, LOG2_E, shift));
}

// What a thread knows of the classes that it has read.
struct Seen {
    float max = LOWEST;
    float exponentials = 0; // Σ exp(x − max)
    float total = 0;        // Σ x

    template <int N> void add(const float (&x)[N]) {
        float above = max;
#pragma unroll
        for (int i = 0; i < N; i++) {
            above = fmaxf(above, x[i]);
        }
        float shift = shift_of(above);
        exponentials *= power_of_2(shift - shift_of(max)); // 1 exactly where the maximum stays
        max = above;
#pragma unroll
        for (int i = 0; i < N; i++) {
            exponentials += exponential(x[i], shift);
            total += x[i];
        }
    }
};

// Shows `body` all classes of a row, each to one thread: single ones up to the first multiple of 16 bytes and after the
// last, and the rest by 16 bytes. It gets the values and the first one's class. What writes goes from the end to the
// start.
template <bool WRITES, typename Body> void over_row(SCALAR* row, int classes, Body body) {
    int single = (int)(-(unsigned long long)row % 16 / sizeof(SCALAR));
    int lanes_from = single < classes ? single : classes;
    int lanes_until = lanes_from + (classes - lanes_from) / LANES * LANES;
    int accesses = (lanes_until - lanes_from) / LANES; // of which this thread has every blockDim.x-th
    int own = accesses > threadIdx.x ? (accesses - threadIdx.x + blockDim.x - 1) / blockDim.x : 0;
#pragma unroll 4
    for (int i = 0; i < own; i++) {
        int at = lanes_from + ((WRITES ? own - 1 - i : i) * blockDim.x + threadIdx.x) * LANES;
        float x[LANES];
        load(x, row + at);
        body(x, at);
        if (WRITES) {
            store(row + at, x);
        }
    }
    int left = lanes_from + classes - lanes_until;
    for (int i = threadIdx.x; i < left; i += blockDim.x) {
        int at = i < lanes_from ? i : lanes_until + i - lanes_from;
        float x[1] = {wide(row[at])};
        body(x, at);
        if (WRITES) {
            row[at] = narrow<SCALAR>(x[0]);
        }
    }
}

// logits [rows, classes], targets [rows], costs [rows], upstream [1] or null for 1. A target that is no class makes its
// row's cost NaN.
extern "C" __global__ void __launch_bounds__(1024) cross_entropy(
        SCALAR* logits, const long long* targets, const float* upstream, float* costs, int classes, float smoothing,
        float z_loss, int writes_gradient) {
    SCALAR* row = logits + (long long)blockIdx.x * classes;
    long long named = targets[blockIdx.x];
    bool is_class = named >= 0 && named < classes;
    int target = is_class ? (int)named : -1;
    float of_target = is_class ? wide(row[target]) : __uint_as_float(0x7fc00000);

    Seen seen;
    over_row<false>(row, classes, [&](auto& x, int) { seen.add(x); });
    float max = over_block<Max>(seen.max);
    float shift = shift_of(max);
    float exponentials = over_block<Sum>(seen.exponentials * power_of_2(shift - shift_of(seen.max)));
    float total = over_block<Sum>(seen.total); // and all have read the target's logit
    float log_sum = max + logf(exponentials);

    if (threadIdx.x == 0) {
        float cost = (1 - smoothing) * (log_sum - of_target);
        if (smoothing > 0) {
            cost += smoothing * (log_sum - total / classes);
        }
        costs[blockIdx.x] = cost + z_loss * log_sum * log_sum;
    }
    if (!writes_gradient) {
        return;
    }
    float factor = upstream == nullptr ? 1 : *upstream;
    float of_exponential = (1 + 2 * z_loss * log_sum) / exponentials;
    float of_all = smoothing / classes;
    over_row<true>(row, classes, [&](auto& x, int first) {
        constexpr int N = sizeof(x) / sizeof(float);
#pragma unroll
        for (int i = 0; i < N; i++) {
            float gradient = exponential(x[i], shift) * of_exponential - of_all;
            x[i] = factor * (first + i == target ? gradient - (1 - smoothing) : gradient);
        }
    });
}
