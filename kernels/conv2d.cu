/* Convolution:

     y[p, q, n, k] = sum over r, s, c of
                     x[p stride_h + r - pad_h, q stride_w + s - pad_w, n, c] w[k, r, s, c].

   x (H, W, N, C), w (K, R, S, C), y (P, Q, N, K), as they lie in memory; x is zero outside.
   Rungs: naive, shared, tiled, tensor. As a matrix product (an implicit GEMM) it has P Q N rows
   (pixels), K columns, and R S C steps.

   On a CPU it is five loops:

     for (p, q, n, k) in y's shape:
         for (r, s) in the kernel's:
             h = p * stride_h + r - pad_h, v = q * stride_w + s - pad_w;
             if (0 <= h && h < H && 0 <= v && v < W)
                 for (c = 0; c < C; c++) y[p][q][n][k] += x[h][v][n][c] * w[k][r][s][c];

   Check a rung, with its time, registers, bank conflicts and sectors:
   python -m minigan.launch conv2d --rung shared */
#include "common.cuh"
#include "gemm.cuh"

/* naive: one thread computes one number of y, the formula and nothing else. Neighbouring threads
   have neighbouring k, so they share their x (one broadcast) but read w with a stride of R S C:
   every multiplication waits for two loads, and the loads, not the multipliers, are what is busy. */
template <typename T>
__global__ void conv2d_naive(const T* __restrict__ x,   // (H, W, N, C)
                             const T* __restrict__ w,   // (K, R, S, C)
                             T* __restrict__ y,         // (P, Q, N, K)
                             Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.P) * d.Q * d.N * d.K) return;
    const int k = i % d.K, m = i / d.K, n = m % d.N, q = m / d.N % d.Q, p = m / d.N / d.Q;
    T sum = 0;
    for (int r = 0; r < d.R; ++r)
        for (int s = 0; s < d.S; ++s) {
            const int h = p * d.stride_h + r - d.pad_h, v = q * d.stride_w + s - d.pad_w;
            if (h < 0 || h >= d.H || v < 0 || v >= d.W) continue;
            for (int c = 0; c < d.C; ++c)
                sum += x[((h * d.W + v) * d.N + n) * d.C + c] * w[((k * d.R + r) * d.S + s) * d.C + c];
        }
    y[i] = sum;
}

/* shared: a block of 16 x 16 threads computes 16 pixels of 16 maps. They all need the same 16
   windows and the same 16 filters, so the block reads these together, 16 steps (r, s, c) at a
   time, into shared memory; neighbouring threads read neighbouring channels, which is coalesced.
   Each number that is read serves 16 threads: 15 of 16 loads from global memory are gone. What is
   busy now is shared memory, with two loads for each multiplication, and the addresses, which are
   computed anew for every number. That should gain a factor of two to five over naive. */
template <typename T>
__global__ void __launch_bounds__(256)
conv2d_shared(const T* __restrict__ x,                  // (H, W, N, C)
              const T* __restrict__ w,                  // (K, R, S, C)
              T* __restrict__ y,                        // (P, Q, N, K)
              Conv d) {
    constexpr unsigned TILE = 16;
    __shared__ T windows[TILE][TILE];                   // 16 pixels x 16 steps
    __shared__ T filters[TILE][TILE + 1];               // 16 maps x 16 steps; with 16 columns a half warp that reads one
                                                        // column, a number of each map, would
                                                        // meet in two banks
    const unsigned pixels = d.P * d.Q * d.N;
    const unsigned steps = d.R * d.S * d.C;
    const unsigned m = blockIdx.x * TILE + threadIdx.y; // the pixel whose window this thread helps to read
    const int n = m % d.N;
    const int q = m / d.N % d.Q;
    const int p = m / d.N / d.Q;
    const unsigned map = blockIdx.y * TILE + threadIdx.y;
    T sum = 0;
    for (unsigned first = 0; first < steps; first += TILE) {
        const unsigned step = first + threadIdx.x;
        const int c = step % d.C;
        const int s = step / d.C % d.S;
        const int r = step / d.C / d.S;
        const int h = p * d.stride_h + r - d.pad_h;
        const int v = q * d.stride_w + s - d.pad_w;
        const bool inside = m < pixels && step < steps && h >= 0 && h < d.H && v >= 0 && v < d.W;
        windows[threadIdx.y][threadIdx.x] = inside ? x[((h * d.W + v) * d.N + n) * d.C + c] : T(0);
        filters[threadIdx.y][threadIdx.x] = map < d.K && step < steps ? w[map * steps + step] : T(0);
        __syncthreads();                                // both tiles are complete
        for (unsigned i = 0; i < TILE; ++i) sum += windows[threadIdx.y][i] * filters[threadIdx.x][i];
        __syncthreads();                                // every thread has read them: they may be overwritten
    }
    const unsigned k = blockIdx.y * TILE + threadIdx.x;
    if (m < pixels && k < d.K) y[m * d.K + k] = sum;    // neighbouring threads write neighbouring maps
}

// Row m = (p Q + q) N + n, column k; step (r - r0, s - s0, c) of the taps that reach the image
// from this tile: at 4x4 pixels a quarter of the multiplications would be with padding.
struct Conv2dMaps : Conv {
    static constexpr bool A_DEEP = true, B_DEEP = true;
    int r0 = 0, s0 = 0, middles = 0, inners = C;

    __device__ explicit Conv2dMaps(const Conv& d) : Conv(d) {}
    __device__ int rows() const { return P * Q * N; }
    __device__ int columns() const { return K; }
    __device__ long long size() const { return static_cast<long long>(rows()) * K; }

    __device__ int narrow(int first, int last, int, int) {
        const int p0 = first / N / Q, p1 = last / N / Q;
        const int q0 = p0 == p1 ? first / N % Q : 0, q1 = p0 == p1 ? last / N % Q : Q - 1;
        r0 = max(0, pad_h - p1 * stride_h), s0 = max(0, pad_w - q1 * stride_w);
        middles = max(0, min(S, W + pad_w - q0 * stride_w) - s0);
        return max(0, min(R, H + pad_h - p0 * stride_h) - r0) * middles * C;
    }

    __device__ Place a_row(int m) const {           // the window's corner
        const int n = m % N, q = m / N % Q, p = m / N / Q, h = p * stride_h - pad_h, v = q * stride_w - pad_w;
        return {((h * W + v) * N + n) * C, h, v};
    }
    __device__ Place b_column(int k) const { return {k * R * S * C, 0, 0}; }

    __device__ Step step(const Digits& k) const {
        const int r = r0 + k.outer, s = s0 + k.middle, c = k.inner;
        return {{(r * W + s) * N * C + c, r, s}, {(r * S + s) * C + c, 0, 0}};
    }
    __device__ bool a_inside(const Place& row, const Place& step) const {
        return static_cast<unsigned>(row.h + step.h) < H && static_cast<unsigned>(row.w + step.w) < W;
    }
    __device__ bool b_inside(const Place& column, const Place& step) const { return (column.h | step.h) == 0; }
    __device__ int output(int m) const { return m * K; }
};

/* tiled: a block computes ROWS x COLUMNS of the product from slices of x and w in shared memory,
   a thread 8 x 4 or 4 x 4 of them in registers. A number read from memory now serves 64 or 128
   multiplications, one read from shared memory 4 to 8, and addresses are computed once per 16
   bytes: the multipliers are what is busy, not the loads. That should gain a factor of ten to
   twenty where the product is large. */
template <typename T, int ROWS, int COLUMNS, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(FmaTile<T, ROWS, COLUMNS>)
conv2d_tiled(const T* __restrict__ x,                   // (H, W, N, C)
             const T* __restrict__ w,                   // (K, R, S, C)
             T* __restrict__ y,                         // (gridDim.y, P, Q, N, K): one part for each share of the steps
             Conv d) {
    gemm<FmaTile<T, ROWS, COLUMNS>, A_VEC, B_VEC>(x, w, y, Conv2dMaps(d));
}

/* tensor: the same tiles on tensor cores, whose one instruction is 1,024 multiplications of TF32
   numbers (10-bit mantissa) added up in float32; slices arrive by cp.async, three stages deep,
   while earlier ones are multiplied. On an H200 mma.sync can do some 330 TFLOP/s where float32
   has 67: a gain of four to five. What is busy now is shared memory, of which a warp's 64 x 64
   results read 128 numbers per 4,096 multiplications. */
template <int ROWS, int COLUMNS, int WARPS_DOWN, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(MmaTile<ROWS, COLUMNS, WARPS_DOWN>)
conv2d_tensor(const float* __restrict__ x,              // (H, W, N, C)
              const float* __restrict__ w,              // (K, R, S, C)
              float* __restrict__ y,                    // (gridDim.y, P, Q, N, K)
              Conv d) {
    gemm<MmaTile<ROWS, COLUMNS, WARPS_DOWN>, A_VEC, B_VEC>(x, w, y, Conv2dMaps(d));
}

/* Few maps, say the three colours of a generator's last layer: a tile's columns would be empty
   but for these, and x be read R S times for them. So the taps come apart, where the stride is 1:
   the product of every pixel with the weights of all taps is a convolution of 1 x 1 with R S K
   maps, which reads x once, and this adds up what belongs together. It should cost a product of R
   S K columns and 4 R S K bytes per pixel, to write and to read. */
template <typename T>
__global__ void __launch_bounds__(256)
conv2d_taps_tiled(const T* __restrict__ taps,           // (H, W, N, R, S, K)
                  T* __restrict__ y,                    // (P, Q, N, K)
                  Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.P) * d.Q * d.N * d.K) return;
    const int k = i % d.K, m = i / d.K, n = m % d.N, q = m / d.N % d.Q, p = m / d.N / d.Q;
    T sum = 0;
    for (int r = max(0, d.pad_h - p); r < min(d.R, d.H + d.pad_h - p); ++r)
#pragma unroll 4
        for (int s = max(0, d.pad_w - q); s < min(d.S, d.W + d.pad_w - q); ++s) {
            const int pixel = ((p + r - d.pad_h) * d.W + q + s - d.pad_w) * d.N + n;
            sum += taps[((pixel * d.R + r) * d.S + s) * d.K + k];
        }
    y[i] = sum;
}
