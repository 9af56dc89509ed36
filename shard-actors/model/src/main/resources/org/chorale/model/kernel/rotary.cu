// Turns query and key heads: component i of a head with component i + half, by its token's angles.
//
// SCALAR the element type; LANES elements of one access, which divide half. One block per token of all sequences; its
// threads share out the pairs of accesses of all heads.

// a and b are a pair of accesses, half a head apart.
inline void turn_pair(
    float (&a)[LANES], float (&b)[LANES], const SCALAR* cosine, const SCALAR* sine, float direction) {
    float c[LANES], s[LANES];
    load(c, cosine);
    load(s, sine);
#pragma unroll
    for (int lane = 0; lane < LANES; lane++) {
        float x = a[lane];
        s[lane] *= direction;
        a[lane] = x * c[lane] - b[lane] * s[lane];
        b[lane] = b[lane] * c[lane] + x * s[lane];
    }
}

// In place. Strides are in elements; the tables have tableRows rows, of which token i of all sequences takes i modulo
// that.
extern "C" __global__ void rotary_turn(
    SCALAR* q,
    int queryHeads,
    long long qSequence,
    long long qToken,
    long long qHead,
    SCALAR* k,
    int keyHeads,
    long long kSequence,
    long long kToken,
    long long kHead,
    const SCALAR* cosine,
    const SCALAR* sine,
    int tokens,
    int tableRows,
    int half) {
    long long sequence = blockIdx.x / tokens;
    long long token = blockIdx.x % tokens;
    long long angles = (long long)(blockIdx.x % tableRows) * half;
    SCALAR* query = q + sequence * qSequence + token * qToken;
    SCALAR* key = k + sequence * kSequence + token * kToken;
    int ofHead = half / LANES;
    for (int i = threadIdx.x; i < (queryHeads + keyHeads) * ofHead; i += blockDim.x) {
        int head = i / ofHead;
        int at = i % ofHead * LANES;
        SCALAR* x = (head < queryHeads ? query + head * qHead : key + (head - queryHeads) * kHead) + at;
        float a[LANES], b[LANES];
        load(a, x);
        load(b, x + half);
        turn_pair(a, b, cosine + angles + at, sine + angles + at, 1);
        store(x, a);
        store(x + half, b);
    }
}

// Turns queries and keys back, and leaves them and the values side by side: rows [tokens of all sequences, all heads].
extern "C" __global__ void rotary_join(
    const SCALAR* q,
    int queryHeads,
    long long qSequence,
    long long qToken,
    long long qHead,
    const SCALAR* k,
    int keyHeads,
    long long kSequence,
    long long kToken,
    long long kHead,
    const SCALAR* v,
    int valueHeads,
    long long vSequence,
    long long vToken,
    long long vHead,
    const SCALAR* cosine,
    const SCALAR* sine,
    int tokens,
    int tableRows,
    int half,
    SCALAR* rows) {
    long long sequence = blockIdx.x / tokens;
    long long token = blockIdx.x % tokens;
    long long angles = (long long)(blockIdx.x % tableRows) * half;
    const SCALAR* query = q + sequence * qSequence + token * qToken;
    const SCALAR* key = k + sequence * kSequence + token * kToken;
    const SCALAR* value = v + sequence * vSequence + token * vToken;
    int turned = queryHeads + keyHeads;
    SCALAR* row = rows + (long long)blockIdx.x * (turned + valueHeads) * 2 * half;
    int ofHead = half / LANES;
    for (int i = threadIdx.x; i < (turned + valueHeads) * ofHead; i += blockDim.x) {
        int head = i / ofHead;
        int at = i % ofHead * LANES;
        const SCALAR* from = head < queryHeads ? query + head * qHead
            : head < turned                    ? key + (head - queryHeads) * kHead
                                               : value + (head - turned) * vHead;
        float a[LANES], b[LANES];
        load(a, from + at);
        load(b, from + half + at);
        if (head < turned) {
            turn_pair(a, b, cosine + angles + at, sine + angles + at, -1);
        }
        SCALAR* to = row + head * 2 * half + at;
        store(to, a); // in one place, so that each is one access
        store(to + half, b);
    }
}
