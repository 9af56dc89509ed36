// Turns query and key heads: component i of a head with component i + half, by its token's angles.
//
// SCALAR the element type; LANES elements of one access, which divide half. One block per token of all sequences; its
// threads share out the pairs of accesses of all heads.

// The pair is the accesses at `from` and half a head behind it; what it becomes takes the same places from `to` on.
inline void turn_pair(
    const SCALAR* from, SCALAR* to, int half, const SCALAR* cosine, const SCALAR* sine, float direction) {
    float a[LANES], b[LANES], c[LANES], s[LANES];
    load(a, from);
    load(b, from + half);
    load(c, cosine);
    load(s, sine);
#pragma unroll
    for (int lane = 0; lane < LANES; lane++) {
        float x = a[lane];
        s[lane] *= direction;
        a[lane] = x * c[lane] - b[lane] * s[lane];
        b[lane] = b[lane] * c[lane] + x * s[lane];
    }
    store(to, a);
    store(to + half, b);
}

// In place. Strides are in elements; the tables have tableRows rows, of which token i of all sequences takes i modulo
// that.
extern "C" __global__ void turn(
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
        SCALAR* x = head < queryHeads ? query + head * qHead : key + (head - queryHeads) * kHead;
        turn_pair(x + at, x + at, half, cosine + angles + at, sine + angles + at, 1);
    }
}

// Turns queries and keys back, and leaves them and the values side by side: rows [tokens of all sequences, all heads].
extern "C" __global__ void join_turned_back(
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
        SCALAR* to = row + head * 2 * half + at;
        if (head < turned) {
            const SCALAR* from = head < queryHeads ? query + head * qHead : key + (head - queryHeads) * kHead;
            turn_pair(from + at, to, half, cosine + angles + at, sine + angles + at, -1);
        } else {
            const SCALAR* from = value + (head - turned) * vHead + at;
            float first[LANES], second[LANES];
            load(first, from);
            load(second, from + half);
            store(to, first);
            store(to + half, second);
        }
    }
}
