/* The tile loop of all three convolutions: one matrix product, whose factors are never built.

   result[m][n] = sum over k of A[m][k] B[k][n]. Where a number of A or B lies in memory is the
   operation's affair, its Maps: the place of (row, step) is a row's place plus a step's place, so
   an address costs an addition and two comparisons, not divisions. A block owns a tile of ROWS x
   COLUMNS results and walks along k in slices of 128 bytes; while it multiplies one slice, the
   next ones are on their way into shared memory. What lies outside is zero, so no shape is a
   special case. A Maps struct holds, besides what it computes with,

     A_DEEP, B_DEEP              whether memory runs along k, or else along the rows of A, the columns of B
     int rows(), columns()       of the product;  long long size(): numbers in the whole result
     int narrow(m0, m1, n0, n1)  how many steps the tile of rows m0..m1 and columns n0..n1 needs, and their digits:
     int middles, inners         step k is (outer, middle, inner), counted like hours, minutes and seconds
     Place a_row(m), b_column(n);  Step step(digits)
     bool a_inside(row, step), b_inside(column, step)    whether the sum of two places lies in the array
     int output(m)               where row m of the result begins; its columns lie side by side */
#pragma once
#include "common.cuh"

// Sizes of a convolution: images x (H, W, N, C), maps y (P, Q, N, K), weights w (K, R, S, C), in
// this order of memory; y[p, q] = sum over r, s of x[p stride_h + r - pad_h, q stride_w + s -
// pad_w] w[r, s].
struct Conv {
    int N, C, H, W, K, P, Q, R, S, stride_h, stride_w, pad_h, pad_w;
};

struct alignas(16) Place { int offset, h, w, unused; };     // an offset into an array, and coordinates in its image
struct Step { Place a, b; };
constexpr int NOWHERE = -(1 << 30);                         // a coordinate that no addition brings back into the image

// The number (outer * middles + middle) * inners + inner by its digits: sums of such numbers need
// no division.
struct Digits {
    int outer, middle, inner;

    __device__ static Digits of(int k, int middles, int inners) {
        return {k / inners / middles, k / inners % middles, k % inners};
    }
    __device__ void add(const Digits& d, int middles, int inners) {
        inner += d.inner, middle += d.middle, outer += d.outer;
        if (inner >= inners) inner -= inners, ++middle;
        if (middle >= middles) middle -= middles, ++outer;
    }
};

// ---- shared memory
// --------------------------------------------------------------------------------------------------
// LENGTH rows of A (or columns of B) by DEPTH steps, in lines of 16-byte chunks. DEEP: a line is
// a row, 128 bytes, all 32 banks; else a line is a step. Shared memory serves eight chunks at a
// time if they lie in different eighths of the banks. Copies go along lines, which is never a
// conflict. Reads go across: MmaTile wants the same chunk of eight rows, four apart (DEEP), or
// chunks j and j + 4 of four steps; FmaTile the same chunk of eight such rows, or neighbours.
// Stored straight, the eight would lie in one or two eighths; the XOR with row / CHUNK, or with
// the step, parts them.
template <typename T, bool DEEP, int LENGTH>
struct SharedTile {
    static constexpr int DEPTH = 128 / sizeof(T), SIZE = LENGTH * DEPTH;

    static __device__ __forceinline__ unsigned at(unsigned row, unsigned k) {   // unsigned: / and % are one instruction
        if constexpr (DEEP) return row * DEPTH + (k / CHUNK<T> ^ row / CHUNK<T> % 8) * CHUNK<T> + k % CHUNK<T>;
        else return k * LENGTH + (row / CHUNK<T> ^ k % 4) * CHUNK<T> + row % CHUNK<T>;
    }
    // How much further lies a row greater by a multiple of 32, or by less than 4 among four: the
    // XOR is the same.
    static __device__ __forceinline__ unsigned beyond(unsigned rows) { return rows * (DEEP ? DEPTH : 1); }
};

// Copies slices into tiles. Neighbouring threads copy neighbours in memory, VEC numbers each, so
// that a warp reads whole lines; a thread keeps its place along the line and takes every DOWN-th
// line. The places of its rows stay in registers, or, where they are many (KEEP is false), in the
// table that all threads made of them.
template <typename T, bool DEEP, int LENGTH, int VEC, int THREADS, bool ASYNC>
struct Copier {
    typedef SharedTile<T, DEEP, LENGTH> Tile;
    static constexpr int ACROSS = (DEEP ? Tile::DEPTH : LENGTH) / VEC, DOWN = THREADS / ACROSS;
    static constexpr int TIMES = (DEEP ? LENGTH : Tile::DEPTH) / DOWN;
    static_assert(DOWN * ACROSS == THREADS && TIMES * DOWN * ACROSS * VEC == Tile::SIZE, "threads share evenly");

    static constexpr bool KEEP = !DEEP || TIMES <= 8;
    unsigned across = threadIdx.x % ACROSS * VEC, down = threadIdx.x / ACROSS;
    const Place* table;                 // a tile's rows
    Place own[DEEP && KEEP ? TIMES : 1];

    __device__ __forceinline__ void take(const Place* rows) {
        table = rows;
        if constexpr (!DEEP) own[0] = rows[across];
        else if constexpr (KEEP)
            for (int i = 0; i < TIMES; ++i) own[i] = rows[down + i * DOWN];
    }

    template <class StepAt, class Inside>
    __device__ __forceinline__ void copy(T* tile, const T* source, StepAt step_at, Inside inside) const {
        Place step = step_at(DEEP ? across : down);
#pragma unroll
        for (int i = 0; i < TIMES; ++i) {
            const unsigned line = down + i * DOWN;
            if (!DEEP && i > 0) step = step_at(line);
            const Place row = KEEP ? own[DEEP && KEEP ? i : 0] : table[line];
            const bool valid = inside(row, step);
            const T* from = source + (row.offset + step.offset);
            T* to = tile + (DEEP ? Tile::at(line, across) : Tile::at(across, line));
            if constexpr (ASYNC) {
                cp_async<VEC * sizeof(T)>(to, from, valid);
            } else {
                T v[VEC] = {};
                if (valid) load(v, from);
                store(to, v);
            }
        }
    }
};

// ---- the product of one slice: registers
// ----------------------------------------------------------------------------

// Fused multiply-adds, any type. 16 x 16 threads; a thread owns CHUNK neighbouring rows in every
// 16 CHUNK, and as many columns. 8 x 4 results need 12 numbers from shared memory per step: three
// for eight multiplications instead of sixteen. (8 x 8 would need two, but two blocks of it have
// no room for their registers.)
template <typename T, int ROWS_, int COLUMNS_>
struct FmaTile {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, THREADS = 256, BLOCKS = 2, STAGES = 2;
    static constexpr bool ASYNC = false;
    static constexpr int STRIDE = 16 * CHUNK<T>, DOWN = ROWS / STRIDE, ACROSS = COLUMNS / STRIDE;
    T sum[DOWN][ACROSS][CHUNK<T>][CHUNK<T>] = {};
    typedef T Square[CHUNK<T>][CHUNK<T>];

    // f[i][j] = the number of row + i and step k + j
    template <class Tile>
    static __device__ __forceinline__ void fragment(Square& f, const T* tile, unsigned row, unsigned k, bool deep) {
#pragma unroll
        for (int i = 0; i < CHUNK<T>; ++i) {
            T v[CHUNK<T>];
            load(v, tile + (deep ? Tile::at(row + i, k) : Tile::at(row, k + i)));
#pragma unroll
            for (int j = 0; j < CHUNK<T>; ++j) (deep ? f[i][j] : f[j][i]) = v[j];
        }
    }

    template <class A, class B, bool A_DEEP, bool B_DEEP>
    __device__ __forceinline__ void multiply(const T* a, const T* b) {
        const unsigned row = threadIdx.x / 16 * CHUNK<T>, column = threadIdx.x % 16 * CHUNK<T>;
#pragma unroll 1            // unrolled, the compiler fetches ahead into registers that it does not have
        for (int k = 0; k < A::DEPTH; k += CHUNK<T>) {
            Square fa, fb[ACROSS];
#pragma unroll
            for (int n = 0; n < ACROSS; ++n) fragment<B>(fb[n], b, column + n * STRIDE, k, B_DEEP);
#pragma unroll
            for (int m = 0; m < DOWN; ++m) {
                fragment<A>(fa, a, row + m * STRIDE, k, A_DEEP);
#pragma unroll
                for (int n = 0; n < ACROSS; ++n)
#pragma unroll
                    for (int i = 0; i < CHUNK<T>; ++i)
#pragma unroll
                        for (int j = 0; j < CHUNK<T>; ++j)
#pragma unroll
                            for (int l = 0; l < CHUNK<T>; ++l) sum[m][n][i][j] += fa[i][l] * fb[n][j][l];
            }
        }
    }

    // For each row that the thread owns, line = line_of(row), then write(line, column, v) for
    // every CHUNK neighbours.
    template <class LineOf, class Write>
    __device__ __forceinline__ void results(LineOf line_of, Write write) const {
#pragma unroll
        for (int m = 0; m < DOWN; ++m)
#pragma unroll
            for (int i = 0; i < CHUNK<T>; ++i) {
                T* line = line_of(threadIdx.x / 16 * CHUNK<T> + m * STRIDE + i);
#pragma unroll
                for (int n = 0; n < ACROSS; ++n) write(line, threadIdx.x % 16 * CHUNK<T> + n * STRIDE, sum[m][n][i]);
            }
    }
};

// Tensor cores, float. Four warps (eight, for more than 128 x 128 results) share the tile,
// WARPS_DOWN x WARPS_ACROSS, and a warp cuts its part into panels of 32 rows or columns. mma
// wants rows g = 0..7 of a tile in lanes 4g..4g + 3; which of our rows these are is free. Here
// row g of tile q = 0..3 is row 16 (g % 2) + 4 (g / 2) + q of the panel: then a lane finds the
// four tiles' numbers in one chunk where memory runs along the rows, and in the end it holds four
// neighbours of a row of the result, for 16-byte stores.
template <int ROWS_, int COLUMNS_, int WARPS_DOWN>
struct MmaTile {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, THREADS = ROWS * COLUMNS > 128 * 128 ? 256 : 128;
    static constexpr int STAGES = ROWS == 256 && COLUMNS == 64 ? 2 : 3;     // two blocks have room for no third
    static constexpr int BLOCKS = ROWS * COLUMNS <= 128 * 64 ? 3 : 256 / THREADS;   // that must find their registers
    static constexpr bool ASYNC = true;
    static constexpr int WARPS_ACROSS = THREADS / WARP / WARPS_DOWN;
    static constexpr int DOWN = ROWS / 32 / WARPS_DOWN, ACROSS = COLUMNS / 32 / WARPS_ACROSS;      // panels of a warp
    float sum[DOWN][ACROSS][2][4][4] = {};

    static __device__ __forceinline__ unsigned row_of(unsigned g) { return 16 * (g % 2) + 4 * (g / 2); }
    static __device__ __forceinline__ unsigned first_row() { return threadIdx.x / WARP / WARPS_ACROSS * DOWN * 32; }
    static __device__ __forceinline__ unsigned first_column() {
        return threadIdx.x / WARP % WARPS_ACROSS * ACROSS * 32;
    }

    typedef uint32_t Panel[4][2];

    // f[q][half]: of the panel at row its tile q's row lane / 4, step k + lane % 4 + 4 half,
    // rounded
    template <class Tile>
    static __device__ __forceinline__ void panel(Panel& f, const float* tile, unsigned row, unsigned k, bool deep) {
        tile += Tile::beyond(row);
        const unsigned lane = threadIdx.x % WARP;
        if (deep) {
#pragma unroll
            for (int q = 0; q < 4; q += 2) {        // matrices (q, steps 0-3), (q + 1, 0-3), (q, 4-7), (q + 1, 4-7)
                uint32_t r[4];
                ldmatrix_x4(r, tile + Tile::at(row_of(lane % 8) + lane / 8 % 2, k + lane / 16 * 4) + Tile::beyond(q));
#pragma unroll
                for (int i = 0; i < 4; ++i) f[q + i % 2][i / 2] = to_tf32(__uint_as_float(r[i]));
            }
        } else {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float v[4];
                load(v, tile + Tile::at(row_of(lane / 4), k + lane % 4 + 4 * half));
#pragma unroll
                for (int q = 0; q < 4; ++q) f[q][half] = to_tf32(v[q]);
            }
        }
    }

    template <class A, class B, bool A_DEEP, bool B_DEEP>
    __device__ __forceinline__ void multiply(const float* a, const float* b) {
#pragma unroll
        for (int k = 0; k < A::DEPTH; k += 8) {
            Panel fa[DOWN], fb[ACROSS];
#pragma unroll
            for (int m = 0; m < DOWN; ++m) panel<A>(fa[m], a, first_row() + 32 * m, k, A_DEEP);
#pragma unroll
            for (int n = 0; n < ACROSS; ++n) panel<B>(fb[n], b, first_column() + 32 * n, k, B_DEEP);
#pragma unroll
            for (int m = 0; m < DOWN; ++m)
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const Panel& f = fa[m];
                    const uint32_t rows[4] = {f[2 * i][0], f[2 * i + 1][0], f[2 * i][1], f[2 * i + 1][1]};
#pragma unroll
                    for (int n = 0; n < ACROSS; ++n)
#pragma unroll
                        for (int j = 0; j < 4; ++j) mma_tf32(sum[m][n][i][j], rows, fb[n][j]);
                }
        }
    }

    template <class LineOf, class Write>
    __device__ __forceinline__ void results(LineOf line_of, Write write) const {
        const int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
        for (int m = 0; m < DOWN; ++m)
#pragma unroll
            for (int q = 0; q < 4; ++q) {
                float* line = line_of(first_row() + 32 * m + row_of(g) + q);
#pragma unroll
                for (int n = 0; n < ACROSS; ++n)
#pragma unroll
                    for (int e = 0; e < 2; ++e) {       // column 2t + e of tiles 0..3 is 16 e + 4 t + 0..3
                        float v[4];
#pragma unroll
                        for (int j = 0; j < 4; ++j) v[j] = sum[m][n][q / 2][j][q % 2 * 2 + e];
                        write(line, first_column() + 32 * n + 16 * e + 4 * t, v);
                    }
            }
    }
};

// A kernel's launch bounds: so many threads, and registers for so many blocks on a multiprocessor.
#define TILE_BOUNDS(...) __launch_bounds__(__VA_ARGS__::THREADS, __VA_ARGS__::BLOCKS)

// ---- the loop
// -------------------------------------------------------------------------------------------------------

// The places of a slice's steps in shared memory. Neighbouring threads ask for the first steps of
// neighbouring chunks (a DEEP factor) or for neighbouring steps: either lie in different banks.
template <typename T>
struct StepTable {
    static constexpr int STRIDE = 8 + 8 / CHUNK<T>, SIZE = STRIDE * CHUNK<T>;
    static __device__ __forceinline__ unsigned at(unsigned k) { return k / CHUNK<T> + k % CHUNK<T> * STRIDE; }
};

// Dynamic shared memory: STAGES (ROWS + COLUMNS) 128 bytes for the stages, 4 StepTable::SIZE 16
// for the steps of two slices, and (ROWS + COLUMNS) 16 for the rows' places where they must last.
// blockIdx.x: the tile, columns first, so that blocks that run together share rows of A in the
// second-level cache. blockIdx.y of gridDim.y: the share of the steps; each makes a result of its
// own, and sum_parts adds them in order. a, b: the arrays that the places index; result:
// gridDim.y times maps.size() numbers.
template <class Tile, int A_VEC, int B_VEC, class Maps, typename T>
__device__ __forceinline__ void gemm(const T* a, const T* b, T* result, Maps maps) {
    typedef SharedTile<T, Maps::A_DEEP, Tile::ROWS> A;
    typedef SharedTile<T, Maps::B_DEEP, Tile::COLUMNS> B;
    typedef StepTable<T> Steps;
    constexpr int DEPTH = A::DEPTH, STAGE = A::SIZE + B::SIZE, THREADS = Tile::THREADS;
    typedef Copier<T, Maps::A_DEEP, Tile::ROWS, A_VEC, THREADS, Tile::ASYNC> CopierA;
    typedef Copier<T, Maps::B_DEEP, Tile::COLUMNS, B_VEC, THREADS, Tile::ASYNC> CopierB;
    DYNAMIC_SHARED(T, shared);
    Place* steps = reinterpret_cast<Place*>(shared + Tile::STAGES * STAGE);
    Place* places = CopierA::KEEP && CopierB::KEEP ? reinterpret_cast<Place*>(shared)      // until the first copies
                                                   : steps + 4 * Steps::SIZE;

    const int rows = maps.rows(), columns = maps.columns();
    const int tiles_across = ceil_div(columns, Tile::COLUMNS);
    const int row0 = blockIdx.x / tiles_across * Tile::ROWS, column0 = blockIdx.x % tiles_across * Tile::COLUMNS;
    if (row0 >= rows) return;               // the grid is that of the largest phase
    const int length = maps.narrow(row0, min(row0 + Tile::ROWS, rows) - 1,
                                   column0, min(column0 + Tile::COLUMNS, columns) - 1);
    const long long slices = ceil_div(length, DEPTH);
    const int first = slices * blockIdx.y / gridDim.y, end = slices * (blockIdx.y + 1) / gridDim.y;

    const Place nowhere = {0, NOWHERE, NOWHERE};
    int k = first * DEPTH + threadIdx.x;                // the first DEPTH threads: the step whose place to find next
    Digits digits = {}, depth = {};
    if (threadIdx.x < DEPTH && length > 0)
        digits = Digits::of(k, maps.middles, maps.inners), depth = Digits::of(DEPTH, maps.middles, maps.inners);
    const auto find_steps = [&](int slice) {
        if (threadIdx.x >= DEPTH) return;
        const Step step = k < length ? maps.step(digits) : Step{nowhere, nowhere};
        k += DEPTH, digits.add(depth, maps.middles, maps.inners);
        Place* to = steps + slice % 2 * 2 * Steps::SIZE + Steps::at(threadIdx.x);
        to[0] = step.a, to[Steps::SIZE] = step.b;
    };
    for (int i = threadIdx.x; i < Tile::ROWS + Tile::COLUMNS; i += THREADS) {
        const int m = row0 + i, n = column0 + i - Tile::ROWS;
        places[i] = i < Tile::ROWS ? (m < rows ? maps.a_row(m) : nowhere) : (n < columns ? maps.b_column(n) : nowhere);
    }
    find_steps(first);
    __syncthreads();
    CopierA copy_a;
    CopierB copy_b;
    copy_a.take(places);
    copy_b.take(places + Tile::ROWS);

    // A slice is copied STAGES - 1 rounds before it is multiplied, its steps are found one round
    // before that. The one barrier of a round parts the readers of a stage from its next writers,
    // and a slice's arrival from its readers.
    Tile tile;
    for (int slice = first - (Tile::STAGES - 1); slice < end; ++slice) {
        if constexpr (Tile::ASYNC) cp_async_wait<Tile::STAGES - 2>();
        __syncthreads();
        const int next = slice + Tile::STAGES - 1;
        if (next < end) {
            T* stage = shared + next % Tile::STAGES * STAGE;
            const Place* of_slice = steps + next % 2 * 2 * Steps::SIZE;
            copy_a.copy(stage, a, [&](unsigned k) { return of_slice[Steps::at(k)]; },
                        [&](const Place& row, const Place& step) { return maps.a_inside(row, step); });
            copy_b.copy(stage + A::SIZE, b, [&](unsigned k) { return of_slice[Steps::SIZE + Steps::at(k)]; },
                        [&](const Place& column, const Place& step) { return maps.b_inside(column, step); });
            if (next + 1 < end) find_steps(next + 1);
        }
        if constexpr (Tile::ASYNC) cp_async_commit();       // an empty group too: the wait counts groups
        if (slice < first) continue;
        const T* stage = shared + slice % Tile::STAGES * STAGE;
        tile.template multiply<A, B, Maps::A_DEEP, Maps::B_DEEP>(stage, stage + A::SIZE);
    }

    result += blockIdx.y * maps.size();
    const auto line_of = [&](int row) { return row0 + row < rows ? result + maps.output(row0 + row) : nullptr; };
    tile.results(line_of, [&](T* line, int column, const T (&v)[CHUNK<T>]) {
        const int n = column0 + column;
        if (line == nullptr || n >= columns) return;
        if (columns % CHUNK<T> == 0) store(line + n, v);
        else
#pragma unroll
            for (int j = 0; j < CHUNK<T>; ++j)
                if (n + j < columns) line[n + j] = v[j];
    });
}

// result[i] = sum over z of parts[z][i]. Row y of the threads adds parts y, y + blockDim.y, ...,
// then row 0 adds what the rows have: always in this order, so always the same bits. Neighbouring
// threads read neighbours; the speed is memory's. Many parts of a small result want 8 rows of 32
// threads, else too few threads wait for load after load.
template <typename T>
__global__ void __launch_bounds__(256)
sum_parts_tiled(const T* __restrict__ parts,            // (splits, count)
                T* __restrict__ result,                 // (count,)
                int count, int splits) {
    __shared__ T of_row[8][32];
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    T sum = 0;
    if (i < count)
#pragma unroll 8
        for (int z = threadIdx.y; z < splits; z += blockDim.y) sum += parts[z * static_cast<long long>(count) + i];
    if (blockDim.y > 1) {                               // then blockDim.x is 32
        of_row[threadIdx.y][threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.y > 0) return;
        for (int y = 1; y < blockDim.y; ++y) sum += of_row[y][threadIdx.x];
    }
    if (i < count) result[i] = sum;
}
