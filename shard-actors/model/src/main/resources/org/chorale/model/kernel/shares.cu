// Shares of keys, softmax(cap · tanh(x) + mask) or softmax(x + mask), and the gradient of shares taken to that of x, row
// by row, in the memory of what they are made of.
//
// SCALAR the element type of the results; CAPPED and MASKED say whether there is a cap, whose slope the gradient has
// then, and a mask. A row has the keys of a block of scores, for one query of one head, which sees those from first to
// last. Rows are of fp32 and begin stride elements apart, a multiple of an access; results lie side by side where their
// row begins. HELD accesses of each thread to a row stay in its registers, so that a row is read once; a longer one goes
// in parts and is read twice. The derivative of cap · tanh(x) is taken by cap · x, which is q·k · scale.

constexpr int LANES = 4; // elements of an access
constexpr float LOG2_E = 1.4426950408889634f;
constexpr float HIDDEN = -3.402823466e+38f; // finite, so that who sees nothing sees everything alike

using Part = float[HELD][LANES]; // of a row, as one thread has it

// The row of a block of threads.
struct Row {
    int keys;
    int first;
    int last;
    const float* mask; // [keys]
    float factor; // which makes scores exponents of 2
};

// Of a row, or of the numbers in it that a thread has seen.
struct Sums {
    float largest; // score
    float weights;
    float dot; // of weights and gradients
};

// Whether a number is a key's that may have a share: under a mask all may.
inline bool counts(int key, const Row& row) {
    return MASKED ? key < row.keys : row.first <= key && key <= row.last;
}

inline int column(int part, int access) {
    return ((part * HELD + access) * blockDim.x + threadIdx.x) * LANES;
}

inline int parts(const Row& row) {
    int ofPart = HELD * LANES * blockDim.x;
    return (row.keys + ofPart - 1) / ofPart;
}

template <typename F> void each(F f) {
#pragma unroll
    for (int access = 0; access < HELD; access++) {
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            f(access, lane);
        }
    }
}

// Nothing is read where nothing counts.
inline void read(Part& to, const float* from, int part, const Row& row) {
#pragma unroll
    for (int access = 0; access < HELD; access++) {
        int begin = column(part, access);
        if (MASKED ? begin < row.keys : begin <= row.last && begin + LANES > row.first) {
            load(to[access], from + begin);
        }
    }
}

// What does not count is 0, whatever lies there.
inline void read_gradient(Part& to, const float* from, int part, const Row& row) {
    read(to, from, part, row);
    each([&](int i, int j) { to[i][j] = counts(column(part, i) + j, row) ? to[i][j] : 0; });
}

// What does not count is -inf, whose weight is 0.
inline void read_bent(Part& to, const float* from, int part, const Row& row) {
    read(to, from, part, row);
    each([&](int i, int j) {
        float bent = CAPPED ? tanhf(to[i][j]) : to[i][j];
        to[i][j] = counts(column(part, i) + j, row) ? bent : __int_as_float(0xff800000);
    });
}

inline void write(SCALAR* to, const Part& from, int part, const Row& row) {
#pragma unroll
    for (int access = 0; access < HELD; access++) {
        if (column(part, access) < row.keys) {
            store(to + column(part, access), from[access]);
        }
    }
}

inline float score(float bent, int key, const Row& row) {
    float score = bent * row.factor;
    if (MASKED && counts(key, row)) {
        score = fmaf(row.mask[key], LOG2_E, score);
        return key < row.first || key > row.last || score < HIDDEN ? HIDDEN : score;
    }
    return score;
}

// To 2 units in the last place; 0 below the least normal number.
inline float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Of a key, where that of the largest score is 1.
inline float weight(float bent, int key, const Row& row, float largest) {
    return power_of_two(MASKED ? score(bent, key, row) - largest : fmaf(bent, row.factor, -largest));
}

// Counts a part in; there are no gradients in a forward.
inline void add(Sums& sums, const Part& bent, const Part* gradient, int part, const Row& row) {
    float largest = sums.largest;
    each([&](int i, int j) { largest = fmaxf(largest, score(bent[i][j], column(part, i) + j, row)); });
    float rescaled = power_of_two(sums.largest - largest);
    sums = {largest, sums.weights * rescaled, sums.dot * rescaled};
    each([&](int i, int j) {
        float w = weight(bent[i][j], column(part, i) + j, row, largest);
        sums.weights += w;
        sums.dot += gradient == nullptr ? 0 : w * (*gradient)[i][j];
    });
}

// Of all threads.
inline Sums over_row(const Sums& sums, bool dot) {
    float largest = over_block<Max>(sums.largest);
    float rescaled = power_of_two(sums.largest - largest);
    float weights = over_block<Sum>(sums.weights * rescaled);
    return {largest, weights, dot ? over_block<Sum>(sums.dot * rescaled) : 0};
}

// A head has rows of queries, and each query group of them. What a query sees is told by numbers of keys, of which the
// block's first has firstKey, and is everything where there are none. Strides are in elements.
inline Row row_of(
    int keys,
    int queries,
    int group,
    long long firstKey,
    const int* first,
    const int* last,
    const float* mask,
    int headsOfSequence,
    long long maskSequence,
    long long maskQuery,
    float factor) {
    int head = blockIdx.x / (queries * group);
    int query = blockIdx.x % (queries * group) / group;
    return {
        keys,
        first == nullptr ? 0 : (int)(first[query] - firstKey), // may be before the block
        last == nullptr ? keys - 1 : (int)(last[query] - firstKey),
        MASKED ? mask + head / headsOfSequence * maskSequence + query * maskQuery : nullptr,
        factor};
}

// One block of threads per row.
extern "C" __global__ void __launch_bounds__(1024) shares_forward(
    float* scores,
    int stride,
    int keys,
    int queries,
    int group,
    long long firstKey,
    const int* first,
    const int* last,
    const float* mask,
    int headsOfSequence,
    long long maskSequence,
    long long maskQuery,
    float factor) {
    Row row = row_of(
        keys, queries, group, firstKey, first, last, mask, headsOfSequence, maskSequence, maskQuery, factor);
    scores += (long long)blockIdx.x * stride;
    Part bent;
    Sums sums = {HIDDEN, 0, 0};
    for (int part = 0; part < parts(row); part++) {
        read_bent(bent, scores, part, row);
        add(sums, bent, nullptr, part, row);
    }
    sums = over_row(sums, false);
    float scale = 1 / sums.weights;
    for (int part = 0; part < parts(row); part++) {
        if (parts(row) > 1) {
            read_bent(bent, scores, part, row);
            __syncthreads(); // nobody writes where somebody still reads; over_row has waited for an only part
        }
        each([&](int i, int j) { bent[i][j] = weight(bent[i][j], column(part, i) + j, row, sums.largest) * scale; });
        write((SCALAR*)scores, bent, part, row);
    }
}

// Likewise: P (dP − Σ P · dP), with P the shares, times the slope of a cap. P takes the place of the scores.
extern "C" __global__ void __launch_bounds__(1024) shares_backward(
    float* scores,
    float* gradients,
    int stride,
    int keys,
    int queries,
    int group,
    long long firstKey,
    const int* first,
    const int* last,
    const float* mask,
    int headsOfSequence,
    long long maskSequence,
    long long maskQuery,
    float factor) {
    Row row = row_of(
        keys, queries, group, firstKey, first, last, mask, headsOfSequence, maskSequence, maskQuery, factor);
    scores += (long long)blockIdx.x * stride;
    gradients += (long long)blockIdx.x * stride;
    Part bent, gradient;
    Sums sums = {HIDDEN, 0, 0};
    for (int part = 0; part < parts(row); part++) {
        read_gradient(gradient, gradients, part, row);
        read_bent(bent, scores, part, row);
        add(sums, bent, &gradient, part, row);
    }
    sums = over_row(sums, true);
    float scale = 1 / sums.weights;
    float mean = sums.dot * scale;
    for (int part = 0; part < parts(row); part++) {
        if (parts(row) > 1) {
            read_gradient(gradient, gradients, part, row);
            read_bent(bent, scores, part, row);
            __syncthreads(); // as in the forward
        }
        each([&](int i, int j) {
            float share = weight(bent[i][j], column(part, i) + j, row, sums.largest) * scale;
            float slope = CAPPED ? fmaf(-bent[i][j], bent[i][j], 1) : 1;
            gradient[i][j] = share == 0 ? 0 : share * (gradient[i][j] - mean) * slope;
            bent[i][j] = share;
        });
        write((SCALAR*)scores, bent, part, row);
        write((SCALAR*)gradients, gradient, part, row);
    }
}
