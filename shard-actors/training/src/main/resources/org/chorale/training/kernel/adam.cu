// AdamW, and Adam, over runs of flat buffers. MASTER is the type of weights and moments, GRADIENT that of the gradients,
// VALUE that of the copy that forward and backward read; a block takes CHUNK elements at a time. Arithmetic is in fp32,
// whatever the types are.

constexpr int LANES = 16 / sizeof(MASTER);

struct Run {
    MASTER* weights;
    const GRADIENT* gradients;
    MASTER* first_moments;
    MASTER* second_moments;
    VALUE* values; // null where there is no copy
    long long elements;
    long long first_chunk; // chunks of the runs before it
};

// What is the same for all elements.
struct Step {
    float rate;
    float corrected_rate; // η / (1 − β1ᵗ)
    float root_correction; // √(1 − β2ᵗ)
    float beta1;
    float learns1; // 1 − β1
    float beta2;
    float learns2;
    float decay;
    float epsilon;
    float divisor;
    bool decays_gradient;

    void move(float& w, float g, float& m, float& v) const {
        g /= divisor;
        if (decays_gradient) {
            g += decay * w;
        } else {
            w -= rate * decay * w;
        }
        m = beta1 * m + learns1 * g;
        v = beta2 * v + learns2 * g * g;
        w -= corrected_rate * m / (sqrtf(v) / root_correction + epsilon);
    }
};

template <int N> void move(const Step& step, const Run& run, long long at) {
    float w[N], g[N], m[N], v[N];
    load(w, run.weights + at);
    load(g, run.gradients + at);
    load(m, run.first_moments + at);
    load(v, run.second_moments + at);
#pragma unroll
    for (int i = 0; i < N; i++) {
        step.move(w[i], g[i], m[i], v[i]);
    }
    store(run.weights + at, w);
    store(run.first_moments + at, m);
    store(run.second_moments + at, v);
    if (run.values != nullptr) {
        // rounded twice where the weights are: the copy is one of what the weights have become
#pragma unroll
        for (int i = 0; i < N; i++) {
            w[i] = rounded<MASTER>(w[i]);
        }
        store(run.values + at, w);
    }
}

inline bool aligned(const Run& run) {
    return ((unsigned long long)run.weights | (unsigned long long)run.gradients | (unsigned long long)run.first_moments |
            (unsigned long long)run.second_moments | (unsigned long long)run.values) % 16 == 0;
}

// steps [1], this one counted; divisor [1]; not_finite [1]: 1 where nothing is to be touched
extern "C" __global__ void __launch_bounds__(256) adam(
        const Run* runs, int run_count, long long chunks, double rate, double beta1, double beta2, double decay,
        double epsilon, int decays_gradient, const float* steps, const float* divisor, const float* not_finite) {
    if (*not_finite == 1) {
        return;
    }
    __shared__ float corrected_rate;
    __shared__ float root_correction;
    if (threadIdx.x == 0) { // in fp64, whose powers are too slow for all threads
        corrected_rate = (float)(rate / (1 - pow(beta1, (double)*steps)));
        root_correction = (float)sqrt(1 - pow(beta2, (double)*steps));
    }
    __syncthreads();
    Step step = {(float)rate, corrected_rate, root_correction, (float)beta1, (float)(1 - beta1), (float)beta2,
                 (float)(1 - beta2), (float)decay, (float)epsilon, *divisor, decays_gradient != 0};

    int index = 0;
    for (long long chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        while (index + 1 < run_count && chunk >= runs[index + 1].first_chunk) {
            index++;
        }
        Run run = runs[index];
        long long from = (chunk - run.first_chunk) * CHUNK;
        long long until = from + CHUNK < run.elements ? from + CHUNK : run.elements;
        long long lanes_until = aligned(run) ? from + (until - from) / LANES * LANES : from;
        for (long long at = from + threadIdx.x * LANES; at < lanes_until; at += blockDim.x * LANES) {
            move<LANES>(step, run, at);
        }
        for (long long at = lanes_until + threadIdx.x; at < until; at += blockDim.x) {
            move<1>(step, run, at);
        }
    }
}
