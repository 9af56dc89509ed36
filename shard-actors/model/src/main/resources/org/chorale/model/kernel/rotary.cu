// Turns query and key heads in place: component i of a head with component i + half, by its token's angles.
//
// SCALAR the element type; LANES elements of one access, which divide half. One block per token of all sequences; its
// threads share out the pairs of accesses of all heads.

inline void turn_pair(SCALAR* first, SCALAR* second, const SCALAR* cosine, const SCALAR* sine, float direction) {
    float a[LANES], b[LANES], c[LANES], s[LANES];
    load(a, first);
    load(b, second);
    load(c, cosine);
    load(s, sine);
#pragma unroll
    for (int lane = 0; lane < LANES; lane++) {
        float x = a[lane];
        s[lane] *= direction;
        a[lane] = x * c[lane] - b[lane] * s[lane];
        b[lane] = b[lane] * c[lane] + x * s[lane];
    }
    store(first, a);
    store(second, b);
}

// Strides are in elements; the tables have tableRows rows, of which token i of all sequences takes i modulo that.
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
    int half,
    float direction) {
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
        turn_pair(x + at, x + at + half, cosine + angles + at, sine + angles + at, direction);
    }
}
