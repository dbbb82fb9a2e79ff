/* The tile loop of all three convolutions: one matrix product, whose factors are never built.

     result[m][n] = sum over k of A[m][k] B[k][n].

   The operation's Operands know where a number of A or B lies in memory. The place of (row, step)
   is the row's place plus the step's place, so an address costs one addition and two comparisons
   instead of divisions. A block computes a tile of ROWS x COLUMNS results, and walks along k in
   slices of 128 bytes. While it multiplies one slice, the next ones are on their way into shared
   memory (double buffering, or three stages). What lies outside the arrays counts as zero, so no
   shape is a special case. An Operands struct holds, besides the sizes that it computes with:

     A_DEEP, B_DEEP              whether memory runs along k, and not along A's rows or B's columns
     int rows(), columns()       of the product
     long long size()            how many numbers the whole result has
     int narrow(m0, m1, n0, n1)  how many steps the tile of these rows and columns needs
     int middles, inners         step k is (outer, middle, inner): see Digits
     Place a_row(m)              the place of row m of A
     Place b_column(n)           the place of column n of B
     Step step(digits)           the places of a step in A and in B
     bool a_inside(row, step)    whether the sum of two places lies in the image
     bool b_inside(column, step)
     int output(m)               where row m of the result begins; its columns lie side by side */
#pragma once
#include "common.cuh"

// The sizes of a convolution: images x (H, W, N, C), outputs y (P, Q, N, K), weights (K, R, S, C),
// in this order in memory. Output pixel (p, q) and tap (r, s) meet input pixel
// (p stride_h + r - pad_h, q stride_w + s - pad_w).
struct Conv {
    int N, C, H, W, K, P, Q, R, S, stride_h, stride_w, pad_h, pad_w;
};

// The digits of a number = (outer * middles + middle) * inners + inner, like hours, minutes and
// seconds. A pixel of a batch of images is such a number, (row * width + column) * N + image; so is
// a step through a filter, (r * S + s) * C + c.
struct Digits {
    int outer, middle, inner;

    // Adds another number, without a division.
    __device__ void add(const Digits& other, int middles, int inners) {
        inner += other.inner;
        middle += other.middle;
        outer += other.outer;
        if (inner >= inners) {
            inner -= inners;
            ++middle;
        }
        if (middle >= middles) {
            middle -= middles;
            ++outer;
        }
    }
};

__device__ __forceinline__ Digits digits_of(int number, int middles, int inners) {
    return {number / inners / middles, number / inners % middles, number % inners};
}

// Where a row, a column or a step lies: an offset into an array, and coordinates in its image.
struct alignas(16) Place { int offset, h, w, unused; };
struct Step { Place a, b; };

// A coordinate that no addition brings back into the image.
constexpr int NOWHERE = -(1 << 30);

// ---- shared memory -----------------------------------------------------------------------------
// A slice of A (or B) in shared memory: LENGTH rows (or columns) by DEPTH steps, in lines of chunks
// of 16 bytes. DEEP: a line is a row, 128 bytes, which is all 32 banks; otherwise a line is a step.
//
// Shared memory serves eight chunks at a time if they lie in different eighths of the banks.
// Copies go along a line, which is never a bank conflict. Reads go across the lines. MmaTile reads
// the same chunk of eight rows, four apart (DEEP), or chunks j and j + 4 of four steps; FmaTile
// reads the same chunk of eight such rows, or neighbours. In the plain order these eight would lie
// in one or two eighths of the banks. The XOR with row / CHUNK, or with the step, separates them.
template <typename T, bool DEEP, int LENGTH>
struct SharedTile {
    static constexpr int DEPTH = 128 / sizeof(T);
    static constexpr int SIZE = LENGTH * DEPTH;

    // Unsigned, because / and % by a power of two are then one instruction.
    static __device__ __forceinline__ unsigned at(unsigned row, unsigned k) {
        if constexpr (DEEP) {
            const unsigned chunk = k / CHUNK<T> ^ row / CHUNK<T> % 8;
            return row * DEPTH + chunk * CHUNK<T> + k % CHUNK<T>;
        } else {
            const unsigned chunk = row / CHUNK<T> ^ k % 4;
            return k * LENGTH + chunk * CHUNK<T> + row % CHUNK<T>;
        }
    }
    // How much further a row lies that is greater by a multiple of 32, or by less than 4 within a
    // group of four: for these the XOR is the same.
    static __device__ __forceinline__ unsigned beyond(unsigned rows) {
        return rows * (DEEP ? DEPTH : 1);
    }
};

// Copies slices into tiles. Neighbouring threads copy neighbours in memory, VEC numbers each, so
// that a warp reads whole lines (coalesced access). A thread keeps its place along the line and
// takes every DOWN-th line. It keeps the places of its rows in registers, or, where they are many
// (KEEP is false), reads them from the table that all threads made together.
template <typename T, bool DEEP, int LENGTH, int VEC, int THREADS, bool ASYNC>
struct Copier {
    typedef SharedTile<T, DEEP, LENGTH> Tile;
    static constexpr int ACROSS = (DEEP ? Tile::DEPTH : LENGTH) / VEC;      // threads along a line
    static constexpr int DOWN = THREADS / ACROSS;
    static constexpr int TIMES = (DEEP ? LENGTH : Tile::DEPTH) / DOWN;      // lines of a thread
    static_assert(DOWN * ACROSS == THREADS, "threads share evenly");
    static_assert(TIMES * DOWN * ACROSS * VEC == Tile::SIZE, "threads share evenly");

    static constexpr bool KEEP = !DEEP || TIMES <= 8;
    unsigned across = threadIdx.x % ACROSS * VEC;
    unsigned down = threadIdx.x / ACROSS;
    const Place* table;                 // the places of the tile's rows
    Place own[DEEP && KEEP ? TIMES : 1];

    __device__ __forceinline__ void take(const Place* rows) {
        table = rows;
        if constexpr (!DEEP) own[0] = rows[across];
        else if constexpr (KEEP)
            for (int i = 0; i < TIMES; ++i) own[i] = rows[down + i * DOWN];
    }

    template <class StepAt, class Inside>
    __device__ __forceinline__ void copy(T* tile, const T* source, StepAt step_at,
                                         Inside inside) const {
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
                T pack[VEC] = {};
                if (valid) load(pack, from);
                store(to, pack);
            }
        }
    }
};

// ---- the product of one slice, in registers ----------------------------------------------------

// Fused multiply-adds, for any type, with register blocking. Of the 16 x 16 threads, each owns
// CHUNK neighbouring rows in every 16 CHUNK, and as many columns. 8 x 4 results need 12 numbers
// from shared memory per step: three for eight multiplications instead of sixteen. (8 x 8 results
// would need two, but the registers of two such blocks have no room on a multiprocessor.)
template <typename T, int ROWS_, int COLUMNS_>
struct FmaTile {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, THREADS = 256, BLOCKS = 2, STAGES = 2;
    static constexpr bool ASYNC = false;
    static constexpr int STRIDE = 16 * CHUNK<T>;
    static constexpr int DOWN = ROWS / STRIDE;          // squares of a thread below one another
    static constexpr int ACROSS = COLUMNS / STRIDE;     // and beside one another
    T sum[DOWN][ACROSS][CHUNK<T>][CHUNK<T>] = {};
    typedef T Square[CHUNK<T>][CHUNK<T>];

    // f[i][j] = the number of row + i and step k + j
    template <class Tile>
    static __device__ __forceinline__ void fragment(Square& f, const T* tile, unsigned row,
                                                    unsigned k, bool deep) {
#pragma unroll
        for (int i = 0; i < CHUNK<T>; ++i) {
            T chunk[CHUNK<T>];
            load(chunk, tile + (deep ? Tile::at(row + i, k) : Tile::at(row, k + i)));
#pragma unroll
            for (int j = 0; j < CHUNK<T>; ++j) {
                if (deep)
                    f[i][j] = chunk[j];
                else
                    f[j][i] = chunk[j];
            }
        }
    }

    // square += fa times the transpose of fb
    static __device__ __forceinline__ void multiply_add(Square& square, const Square& fa,
                                                        const Square& fb) {
#pragma unroll
        for (int i = 0; i < CHUNK<T>; ++i)
#pragma unroll
            for (int j = 0; j < CHUNK<T>; ++j)
#pragma unroll
                for (int l = 0; l < CHUNK<T>; ++l) square[i][j] += fa[i][l] * fb[j][l];
    }

    template <class A, class B, bool A_DEEP, bool B_DEEP>
    __device__ __forceinline__ void multiply(const T* a, const T* b) {
        const unsigned row = threadIdx.x / 16 * CHUNK<T>;
        const unsigned column = threadIdx.x % 16 * CHUNK<T>;
#pragma unroll 1    // unrolled, the compiler would load ahead into registers that it does not have
        for (int k = 0; k < A::DEPTH; k += CHUNK<T>) {
            Square fa, fb[ACROSS];
#pragma unroll
            for (int n = 0; n < ACROSS; ++n)
                fragment<B>(fb[n], b, column + n * STRIDE, k, B_DEEP);
#pragma unroll
            for (int m = 0; m < DOWN; ++m) {
                fragment<A>(fa, a, row + m * STRIDE, k, A_DEEP);
#pragma unroll
                for (int n = 0; n < ACROSS; ++n) multiply_add(sum[m][n], fa, fb[n]);
            }
        }
    }

    // Calls line = line_of(row) for each row that the thread owns, then write(line, column, chunk)
    // for every CHUNK neighbours of the row.
    template <class LineOf, class Write>
    __device__ __forceinline__ void results(LineOf line_of, Write write) const {
#pragma unroll
        for (int m = 0; m < DOWN; ++m)
#pragma unroll
            for (int i = 0; i < CHUNK<T>; ++i) {
                T* line = line_of(threadIdx.x / 16 * CHUNK<T> + m * STRIDE + i);
#pragma unroll
                for (int n = 0; n < ACROSS; ++n)
                    write(line, threadIdx.x % 16 * CHUNK<T> + n * STRIDE, sum[m][n][i]);
            }
    }
};

// Tensor cores, for float. Four warps (eight, for more than 128 x 128 results) share the tile as
// WARPS_DOWN x WARPS_ACROSS, and a warp cuts its part into panels of 32 rows or columns. mma wants
// rows g = 0..7 of an 8-row matrix in lanes 4g..4g + 3, and leaves us free to say which of our rows
// these are. Here row g of the panel's matrix q = 0..3 is row 16 (g % 2) + 4 (g / 2) + q of the
// panel. Then a lane finds its numbers of the four matrices in one chunk where memory runs along
// the rows, and at the end it holds four neighbours of a row of the result, for 16-byte stores.
template <int ROWS_, int COLUMNS_, int WARPS_DOWN>
struct MmaTile {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_;
    static constexpr int THREADS = ROWS * COLUMNS > 128 * 128 ? 256 : 128;
    // of 256 x 64, two blocks on a multiprocessor have no room for a third stage
    static constexpr int STAGES = ROWS == 256 && COLUMNS == 64 ? 2 : 3;
    // how many blocks must find registers on a multiprocessor
    static constexpr int BLOCKS = ROWS * COLUMNS <= 128 * 64 ? 3 : 256 / THREADS;
    static constexpr bool ASYNC = true;
    static constexpr int WARPS_ACROSS = THREADS / WARP / WARPS_DOWN;
    static constexpr int DOWN = ROWS / 32 / WARPS_DOWN;         // panels of a warp
    static constexpr int ACROSS = COLUMNS / 32 / WARPS_ACROSS;
    float sum[DOWN][ACROSS][2][4][4] = {};

    static __device__ __forceinline__ unsigned row_of(unsigned g) {
        return 16 * (g % 2) + 4 * (g / 2);
    }
    static __device__ __forceinline__ unsigned first_row() {
        return threadIdx.x / WARP / WARPS_ACROSS * DOWN * 32;
    }
    static __device__ __forceinline__ unsigned first_column() {
        return threadIdx.x / WARP % WARPS_ACROSS * ACROSS * 32;
    }

    typedef uint32_t Panel[4][2];

    // f[q][half] = of the panel that begins at `row`: its matrix q's row lane / 4, step
    // k + lane % 4 + 4 half, rounded to TF32.
    template <class Tile>
    static __device__ __forceinline__ void panel(Panel& f, const float* tile, unsigned row,
                                                 unsigned k, bool deep) {
        tile += Tile::beyond(row);
        const unsigned lane = threadIdx.x % WARP;
        if (deep) {
#pragma unroll
            for (int q = 0; q < 4; q += 2) {
                // the matrices (q, steps 0-3), (q + 1, 0-3), (q, 4-7), (q + 1, 4-7)
                const unsigned line = row_of(lane % 8) + lane / 8 % 2;
                uint32_t r[4];
                ldmatrix_x4(r, tile + Tile::at(line, k + lane / 16 * 4) + Tile::beyond(q));
#pragma unroll
                for (int i = 0; i < 4; ++i) f[q + i % 2][i / 2] = to_tf32(__uint_as_float(r[i]));
            }
        } else {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float chunk[4];
                load(chunk, tile + Tile::at(row_of(lane / 4), k + lane % 4 + 4 * half));
#pragma unroll
                for (int q = 0; q < 4; ++q) f[q][half] = to_tf32(chunk[q]);
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
                    const uint32_t(&upper)[2] = fa[m][2 * i];
                    const uint32_t(&lower)[2] = fa[m][2 * i + 1];
                    const uint32_t rows[4] = {upper[0], lower[0], upper[1], lower[1]};
#pragma unroll
                    for (int n = 0; n < ACROSS; ++n)
#pragma unroll
                        for (int j = 0; j < 4; ++j) mma_tf32(sum[m][n][i][j], rows, fb[n][j]);
                }
        }
    }

    // As FmaTile::results.
    template <class LineOf, class Write>
    __device__ __forceinline__ void results(LineOf line_of, Write write) const {
        const int g = threadIdx.x % WARP / 4;
        const int t = threadIdx.x % 4;
#pragma unroll
        for (int m = 0; m < DOWN; ++m)
#pragma unroll
            for (int q = 0; q < 4; ++q) {
                float* line = line_of(first_row() + 32 * m + row_of(g) + q);
#pragma unroll
                for (int n = 0; n < ACROSS; ++n)
#pragma unroll
                    for (int e = 0; e < 2; ++e) {
                        // column 2t + e of the matrices 0..3 is column 16 e + 4 t + 0..3
                        float chunk[4];
#pragma unroll
                        for (int j = 0; j < 4; ++j) chunk[j] = sum[m][n][q / 2][j][q % 2 * 2 + e];
                        write(line, first_column() + 32 * n + 16 * e + 4 * t, chunk);
                    }
            }
    }
};

// A kernel's launch bounds: how many threads, and for how many blocks on a multiprocessor there
// must be registers.
#define TILE_BOUNDS(...) __launch_bounds__(__VA_ARGS__::THREADS, __VA_ARGS__::BLOCKS)

// ---- the loop ----------------------------------------------------------------------------------

// The places of a slice's steps in shared memory. Neighbouring threads ask for the first steps of
// neighbouring chunks (a DEEP factor), or for neighbouring steps. Either way they lie in different
// banks.
template <typename T>
struct StepTable {
    static constexpr int STRIDE = 8 + 8 / CHUNK<T>;
    static constexpr int SIZE = STRIDE * CHUNK<T>;
    static __device__ __forceinline__ unsigned at(unsigned k) {
        return k / CHUNK<T> + k % CHUNK<T> * STRIDE;
    }
};

// Stores neighbours of a result's line from column n on, less those beyond the last column.
template <typename T>
__device__ __forceinline__ void store_inside(T* line, int n, int columns,
                                             const T (&chunk)[CHUNK<T>]) {
    if (line == nullptr || n >= columns) return;
    if (columns % CHUNK<T> == 0) {
        store(line + n, chunk);
    } else {
#pragma unroll
        for (int j = 0; j < CHUNK<T>; ++j)
            if (n + j < columns) line[n + j] = chunk[j];
    }
}

// Computes a block's tile of the product. a, b: the arrays that the places index. result:
// gridDim.y times operands.size() numbers.
//
// blockIdx.x is the tile, columns first, so that blocks that run together share rows of A in the
// L2 cache. blockIdx.y of gridDim.y is the share of the steps (split-K): each share makes a result
// of its own, and sum_parts adds these in order. Dynamic shared memory, in bytes: STAGES (ROWS +
// COLUMNS) 128 for the stages, 4 StepTable::SIZE 16 for the steps of two slices, and (ROWS +
// COLUMNS) 16 for the places of the rows, where they are needed after the first copies.
template <class Tile, int A_VEC, int B_VEC, class Operands, typename T>
__device__ __forceinline__ void gemm(const T* a, const T* b, T* result, Operands operands) {
    typedef SharedTile<T, Operands::A_DEEP, Tile::ROWS> A;
    typedef SharedTile<T, Operands::B_DEEP, Tile::COLUMNS> B;
    typedef StepTable<T> Steps;
    constexpr int DEPTH = A::DEPTH;
    constexpr int STAGE = A::SIZE + B::SIZE;
    constexpr int THREADS = Tile::THREADS;
    typedef Copier<T, Operands::A_DEEP, Tile::ROWS, A_VEC, THREADS, Tile::ASYNC> CopierA;
    typedef Copier<T, Operands::B_DEEP, Tile::COLUMNS, B_VEC, THREADS, Tile::ASYNC> CopierB;
    constexpr bool PLACES_PERSIST = !CopierA::KEEP || !CopierB::KEEP;
    DYNAMIC_SHARED(T, shared);
    Place* steps = reinterpret_cast<Place*>(shared + Tile::STAGES * STAGE);
    Place* places = steps + 4 * Steps::SIZE;
    if constexpr (!PLACES_PERSIST)
        places = reinterpret_cast<Place*>(shared);  // where the first copies overwrite them

    // The tile, and its share of the slices.
    const int rows = operands.rows();
    const int columns = operands.columns();
    const int tiles_across = ceil_div(columns, Tile::COLUMNS);
    const int row0 = blockIdx.x / tiles_across * Tile::ROWS;
    const int column0 = blockIdx.x % tiles_across * Tile::COLUMNS;
    if (row0 >= rows) return;               // the grid is that of the largest phase
    const int last_row = min(row0 + Tile::ROWS, rows) - 1;
    const int last_column = min(column0 + Tile::COLUMNS, columns) - 1;
    const int length = operands.narrow(row0, last_row, column0, last_column);
    const long long slices = ceil_div(length, DEPTH);
    const int first = slices * blockIdx.y / gridDim.y;
    const int end = slices * (blockIdx.y + 1) / gridDim.y;

    // Each of the first DEPTH threads finds the place of one step k of every slice.
    const Place nowhere = {0, NOWHERE, NOWHERE};
    int k = first * DEPTH + threadIdx.x;
    Digits digits = {};                     // of k
    Digits depth = {};                      // of DEPTH, the distance to the next slice's step
    if (threadIdx.x < DEPTH && length > 0) {
        digits = digits_of(k, operands.middles, operands.inners);
        depth = digits_of(DEPTH, operands.middles, operands.inners);
    }
    const auto find_steps = [&](int slice) {
        if (threadIdx.x >= DEPTH) return;
        const Step step = k < length ? operands.step(digits) : Step{nowhere, nowhere};
        k += DEPTH;
        digits.add(depth, operands.middles, operands.inners);
        Place* to = steps + slice % 2 * 2 * Steps::SIZE + Steps::at(threadIdx.x);
        to[0] = step.a;
        to[Steps::SIZE] = step.b;
    };
    for (int i = threadIdx.x; i < Tile::ROWS + Tile::COLUMNS; i += THREADS) {
        const int m = row0 + i;
        const int n = column0 + i - Tile::ROWS;
        Place place = nowhere;
        if (i < Tile::ROWS && m < rows) place = operands.a_row(m);
        if (i >= Tile::ROWS && n < columns) place = operands.b_column(n);
        places[i] = place;
    }
    find_steps(first);
    __syncthreads();
    CopierA copy_a;
    CopierB copy_b;
    copy_a.take(places);
    copy_b.take(places + Tile::ROWS);
    const auto start_copies = [&](int slice) {
        T* stage = shared + slice % Tile::STAGES * STAGE;
        const Place* of_slice = steps + slice % 2 * 2 * Steps::SIZE;
        copy_a.copy(stage, a, [&](unsigned k) { return of_slice[Steps::at(k)]; },
                    [&](const Place& row, const Place& step) {
                        return operands.a_inside(row, step);
                    });
        copy_b.copy(stage + A::SIZE, b,
                    [&](unsigned k) { return of_slice[Steps::SIZE + Steps::at(k)]; },
                    [&](const Place& column, const Place& step) {
                        return operands.b_inside(column, step);
                    });
    };

    // A slice is copied STAGES - 1 rounds before it is multiplied, and its steps are found one
    // round before that. The one barrier of a round separates the readers of a stage from its next
    // writers, and the arrival of a slice from its readers.
    Tile tile;
    for (int slice = first - (Tile::STAGES - 1); slice < end; ++slice) {
        if constexpr (Tile::ASYNC) cp_async_wait<Tile::STAGES - 2>();
        __syncthreads();
        const int next = slice + Tile::STAGES - 1;
        if (next < end) {
            start_copies(next);
            if (next + 1 < end) find_steps(next + 1);
        }
        if constexpr (Tile::ASYNC) cp_async_commit();   // an empty group too: the wait counts them
        if (slice < first) continue;
        const T* stage = shared + slice % Tile::STAGES * STAGE;
        tile.template multiply<A, B, Operands::A_DEEP, Operands::B_DEEP>(stage, stage + A::SIZE);
    }

    // The epilogue: a line of the result per row, or none for the rows beyond the last.
    result += blockIdx.y * operands.size();
    const auto line_of = [&](int row) {
        return row0 + row < rows ? result + operands.output(row0 + row) : nullptr;
    };
    tile.results(line_of, [&](T* line, int column, const T (&chunk)[CHUNK<T>]) {
        store_inside(line, column0 + column, columns, chunk);
    });
}

// result[i] = sum over z of parts[z][i], the second pass of split-K. Row y of the threads adds the
// parts y, y + blockDim.y, ..., then row 0 adds what the rows have: always in this order, so always
// the same bits. Neighbouring threads read neighbours, and the memory is the bottleneck. Many parts
// of a small result need 8 rows of 32 threads; otherwise too few threads wait for load after load.
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
        for (int z = threadIdx.y; z < splits; z += blockDim.y)
            sum += parts[z * static_cast<long long>(count) + i];
    if (blockDim.y > 1) {                               // then blockDim.x is 32
        of_row[threadIdx.y][threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.y > 0) return;
        for (int y = 1; y < blockDim.y; ++y) sum += of_row[y][threadIdx.x];
    }
    if (i < count) result[i] = sum;
}
