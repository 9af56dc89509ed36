// bf16 matrices as FP8 (Micikevicius et al. 2022, arXiv 2209.05433) and what to multiply them by to have them back.
//
// FORMAT e4m3 or e5m2, LARGEST its largest number, FLOOR the least that a matrix's largest number counts as; INVERSE_LANES
// numbers lie from one of several inverses to the next. Rows may be parts of wider ones, whose stride is in elements;
// their starts are aligned to 16 bytes. Widths are multiples of 16.

#if __CUDA_ARCH__ < 890
#error "FP8 needs compute capability 8.9"
#endif

#define WORD_OF(macro) #macro
#define WORD(macro) WORD_OF(macro)

constexpr int THREADS = 256;
constexpr int LANES = 8; // elements of one read
constexpr int TILE = 128; // rows and columns of a block's part
constexpr int GROUPS = TILE / LANES; // reads of a tile's row
constexpr int QUADS = TILE / 4; // fours of rows: a word of FP8 in a column

inline float scale_of(float largest) {
    return LARGEST / (largest < FLOOR ? FLOOR : largest); // NaN stays
}

// Rounded to the nearest, ties to even; what is too large becomes LARGEST, and NaN stays NaN.
inline unsigned packed(float a, float b, float c, float d) {
    unsigned short low, high;
    asm("cvt.rn.satfinite." WORD(FORMAT) "x2.f32 %0, %1, %2;" : "=h"(low) : "f"(b), "f"(a));
    asm("cvt.rn.satfinite." WORD(FORMAT) "x2.f32 %0, %1, %2;" : "=h"(high) : "f"(d), "f"(c));
    return low | (unsigned)high << 16;
}

// Of four bf16, two to a word.
inline unsigned packed(unsigned ab, unsigned cd, float scale) {
    return packed(
        __uint_as_float(ab << 16) * scale,
        __uint_as_float(ab & 0xffff0000) * scale,
        __uint_as_float(cd << 16) * scale,
        __uint_as_float(cd & 0xffff0000) * scale);
}

inline uint2 packed(uint4 eight, float scale) {
    return make_uint2(packed(eight.x, eight.y, scale), packed(eight.z, eight.w, scale));
}

inline uint4 read(const bf16* eight) {
    return *(const uint4*)eight;
}

// The larger one of some bits and those of the absolute values of two bf16: without their signs floats are ordered as
// integers are, NaN above all.
inline unsigned larger(unsigned bits, unsigned two) {
    return max(bits, max(two & 0x7fff0000, (two << 16) & 0x7fff0000));
}

inline unsigned larger(unsigned bits, uint4 eight) {
    return larger(larger(larger(larger(bits, eight.x), eight.y), eight.z), eight.w);
}

// The largest absolute value of x into one that was 0. An integer's maximum does not depend on the order.
extern "C" __global__ void __launch_bounds__(THREADS)
    largest(const bf16* x, long long stride, unsigned readsOfRow, unsigned reads, unsigned* bits) {
    unsigned own = 0;
#pragma unroll 4
    for (unsigned i = blockIdx.x * THREADS + threadIdx.x; i < reads; i += gridDim.x * THREADS) {
        unsigned row = i / readsOfRow;
        own = larger(own, read(x + row * stride + (i - row * readsOfRow) * LANES));
    }
    own = over_block<Max>(own);
    if (threadIdx.x == 0) {
        atomicMax(bits, own);
    }
}

// Rows that a thread has of a tile: 4·quad to 4·quad + 3, of which it holds the bytes of four columns in a word each.
// Afterwards each word holds the bytes of one column.
inline void transpose(unsigned (&of)[4]) {
    unsigned ab02 = __byte_perm(of[0], of[1], 0x5140); // a0 b0 a1 b1
    unsigned cd02 = __byte_perm(of[2], of[3], 0x5140);
    unsigned ab24 = __byte_perm(of[0], of[1], 0x7362); // a2 b2 a3 b3
    unsigned cd24 = __byte_perm(of[2], of[3], 0x7362);
    of[0] = __byte_perm(ab02, cd02, 0x5410);
    of[1] = __byte_perm(ab02, cd02, 0x7632);
    of[2] = __byte_perm(ab24, cd24, 0x5410);
    of[3] = __byte_perm(ab24, cd24, 0x7632);
}

// Where a tile's word of a column lies, such that neither the writes of a warp (16 columns, 2 quads) nor its reads (all
// quads of a column) meet in a bank.
inline int place(int column, int quad) {
    return column * QUADS + (quad ^ (column / LANES * 2));
}

// Puts four rows of eight columns, two words to a row, where their tile's columns lie.
inline void place_columns(unsigned* words, int group, int quad, unsigned (&first)[4], unsigned (&second)[4]) {
    transpose(first);
    transpose(second);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        words[place(group * LANES + i, quad)] = first[i];
        words[place(group * LANES + 4 + i, quad)] = second[i];
    }
}

// Once all are placed, writes a tile's columns as rows.
inline void write_columns(const unsigned* words, int width, unsigned char* ofColumns, int paddedRows) {
    __syncthreads();
    for (int pair = threadIdx.x; pair < TILE * QUADS / 2; pair += THREADS) { // of words: 8 rows of a column
        int inTile = pair / (QUADS / 2);
        int quad = pair % (QUADS / 2) * 2;
        int row = blockIdx.x * TILE + quad * 4;
        int at = blockIdx.y * TILE + inTile;
        if (at < width && row < paddedRows) {
            *(uint2*)(ofColumns + (long long)at * paddedRows + row) = *(const uint2*)(words + place(inTile, quad));
        }
    }
}

// One block per tile. The rows as they lie, [rows, width], and the columns as rows, [width, paddedRows], where what is
// beyond the last row is 0.
template <bool ROWS, bool COLUMNS>
void quantise_tile(
    const bf16* x,
    long long stride,
    int rows,
    int width,
    const float* largest,
    unsigned char* ofRows,
    unsigned char* ofColumns,
    int paddedRows,
    float* inverse) {
    __shared__ alignas(16) unsigned words[TILE * QUADS];
    float scale = scale_of(*largest);
    if (blockIdx.x == 0 && blockIdx.y == 0 && threadIdx.x == 0) {
        *inverse = 1 / scale;
    }
    int group = threadIdx.x % GROUPS;
    int column = blockIdx.y * TILE + group * LANES;
#pragma unroll
    for (int quad = threadIdx.x / GROUPS; quad < QUADS; quad += THREADS / GROUPS) {
        int row = blockIdx.x * TILE + quad * 4;
        uint4 given[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            bool inside = row + i < rows && column < width;
            given[i] = inside ? read(x + (row + i) * stride + column) : make_uint4(0, 0, 0, 0);
        }
        unsigned first[4], second[4]; // columns
#pragma unroll
        for (int i = 0; i < 4; i++) {
            uint2 eight = packed(given[i], scale);
            if (ROWS && row + i < rows && column < width) {
                *(uint2*)(ofRows + (long long)(row + i) * width + column) = eight;
            }
            first[i] = eight.x;
            second[i] = eight.y;
        }
        if (COLUMNS) {
            place_columns(words, group, quad, first, second);
        }
    }
    if (COLUMNS) {
        write_columns(words, width, ofColumns, paddedRows);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) quantise_rows(
    const bf16* x, long long stride, int rows, int width, const float* largest, unsigned char* ofRows, float* inverse) {
    quantise_tile<true, false>(x, stride, rows, width, largest, ofRows, nullptr, rows, inverse);
}

extern "C" __global__ void __launch_bounds__(THREADS) quantise_columns(
    const bf16* x,
    long long stride,
    int rows,
    int width,
    const float* largest,
    unsigned char* ofColumns,
    int paddedRows,
    float* inverse) {
    quantise_tile<false, true>(x, stride, rows, width, largest, nullptr, ofColumns, paddedRows, inverse);
}

extern "C" __global__ void __launch_bounds__(THREADS) quantise_both(
    const bf16* x,
    long long stride,
    int rows,
    int width,
    const float* largest,
    unsigned char* ofRows,
    unsigned char* ofColumns,
    int paddedRows,
    float* inverse) {
    quantise_tile<true, true>(x, stride, rows, width, largest, ofRows, ofColumns, paddedRows, inverse);
}

// One block per row, each with a scale of its own. The second read of a row finds it in a cache.
extern "C" __global__ void __launch_bounds__(THREADS)
    quantise_each_row(const bf16* x, long long stride, int width, unsigned char* ofRows, float* inverses) {
    x += blockIdx.x * stride;
    ofRows += (long long)blockIdx.x * width;
    unsigned own = 0;
    for (int column = threadIdx.x * LANES; column < width; column += THREADS * LANES) {
        own = larger(own, read(x + column));
    }
    float scale = scale_of(__uint_as_float(over_block<Max>(own)));
    if (threadIdx.x == 0) {
        inverses[blockIdx.x] = 1 / scale;
    }
    for (int column = threadIdx.x * LANES; column < width; column += THREADS * LANES) {
        *(uint2*)(ofRows + column) = packed(read(x + column), scale);
    }
}

// One block per tile: the columns of FP8 numbers [rows, width] as rows, [width, rows], both multiples of 16.
extern "C" __global__ void __launch_bounds__(THREADS)
    transpose_bytes(const unsigned char* x, int rows, int width, unsigned char* ofColumns) {
    __shared__ alignas(16) unsigned words[TILE * QUADS];
    int group = threadIdx.x % GROUPS;
    int column = blockIdx.y * TILE + group * LANES;
#pragma unroll
    for (int quad = threadIdx.x / GROUPS; quad < QUADS; quad += THREADS / GROUPS) {
        int row = blockIdx.x * TILE + quad * 4;
        unsigned first[4], second[4]; // columns
#pragma unroll
        for (int i = 0; i < 4; i++) {
            bool inside = row + i < rows && column < width;
            uint2 eight = inside ? *(const uint2*)(x + (long long)(row + i) * width + column) : make_uint2(0, 0);
            first[i] = eight.x;
            second[i] = eight.y;
        }
        place_columns(words, group, quad, first, second);
    }
    write_columns(words, width, ofColumns, rows);
}

// Neighbouring elements of a part of a flat buffer, which are of one matrix, or of several that have one scale. Starts and
// lengths are multiples of LANES. What the buffer holds counts as the bf16 that it is rounded to.
struct Run {
    long long at;
    long long elements;
    long long scale; // its number
};

// blockIdx.y is the run. The bits of the largest absolute values, which were 0, as 64-bit integers: those of all ranks
// become one by an integer's maximum, which keeps NaN.
template <typename T> void largest_of_runs(const T* part, const Run* runs, unsigned long long* bits) {
    Run run = runs[blockIdx.y];
    unsigned own = 0;
#pragma unroll 2
    for (long long i = (blockIdx.x * THREADS + threadIdx.x) * LANES; i < run.elements; i += gridDim.x * THREADS * LANES) {
        float x[LANES];
        load(x, part + run.at + i);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            own = max(own, __float_as_uint(rounded<bf16>(x[lane])) & 0x7fffffff);
        }
    }
    own = over_block<Max>(own);
    if (threadIdx.x == 0) {
        atomicMax(bits + run.scale, (unsigned long long)own);
    }
}

// blockIdx.y is the run, whose bytes lie as its elements do.
template <typename T>
void quantise_runs(const T* part, const Run* runs, const unsigned long long* bits, unsigned char* bytes) {
    Run run = runs[blockIdx.y];
    float scale = scale_of(__uint_as_float((unsigned)bits[run.scale]));
#pragma unroll 2
    for (long long i = (blockIdx.x * THREADS + threadIdx.x) * LANES; i < run.elements; i += gridDim.x * THREADS * LANES) {
        float x[LANES];
        load(x, part + run.at + i);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            x[lane] = rounded<bf16>(x[lane]) * scale;
        }
        *(uint2*)(bytes + run.at + i) =
            make_uint2(packed(x[0], x[1], x[2], x[3]), packed(x[4], x[5], x[6], x[7]));
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    largest_of_runs_float(const float* part, const Run* runs, unsigned long long* bits) {
    largest_of_runs(part, runs, bits);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    largest_of_runs_bf16(const bf16* part, const Run* runs, unsigned long long* bits) {
    largest_of_runs(part, runs, bits);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    quantise_runs_float(const float* part, const Run* runs, const unsigned long long* bits, unsigned char* bytes) {
    quantise_runs(part, runs, bits, bytes);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    quantise_runs_bf16(const bf16* part, const Run* runs, const unsigned long long* bits, unsigned char* bytes) {
    quantise_runs(part, runs, bits, bytes);
}

// What bytes are multiplied by to be what they were made of: for each scale the first of INVERSE_LANES numbers.
extern "C" __global__ void __launch_bounds__(THREADS)
    inverses_of(const unsigned long long* bits, int scales, float* inverses) {
    int i = blockIdx.x * THREADS + threadIdx.x;
    if (i < scales) {
        inverses[i * INVERSE_LANES] = 1 / scale_of(__uint_as_float((unsigned)bits[i]));
    }
}
