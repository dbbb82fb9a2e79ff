/* Convolution:

     y[p, q, n, k] = sum over r, s, c of
                     x[p stride_h + r - pad_h, q stride_w + s - pad_w, n, c] weight[k, r, s, c].

   x (H, W, N, C), weight (K, R, S, C), y (P, Q, N, K), as they lie in memory; x is zero outside. As
   a matrix product (an implicit GEMM) it has P Q N rows (the output's pixels), K columns (its
   channels) and R S C steps. Rungs: naive, shared, tiled, tensor.

   On a CPU, for every pixel (p, q) of every image n and every output channel k:

     for (int r = 0; r < R; r++)
         for (int s = 0; s < S; s++) {
             const int h = p * stride_h + r - pad_h, w = q * stride_w + s - pad_w;
             if (h < 0 || h >= H || w < 0 || w >= W) continue;
             for (int c = 0; c < C; c++) y[p][q][n][k] += x[h][w][n][c] * weight[k][r][s][c];
         }

   python -m minigan.launch conv2d --rung shared compares a rung with plain loops and prints
   "right", or how wrong it is; then its time, registers, bank conflicts and sectors. */
#include "common.cuh"
#include "gemm.cuh"

/* naive: one thread computes one number of y, by the formula and nothing else. Neighbouring threads
   have neighbouring k. They share their x (one broadcast), but read the weight with a stride of
   R S C, which is not coalesced. Every multiplication waits for two loads, so the loads are the
   bottleneck and the multipliers are idle. */
template <typename T>
__global__ void conv2d_naive(const T* __restrict__ x,       // (H, W, N, C)
                             const T* __restrict__ weight,  // (K, R, S, C)
                             T* __restrict__ y,             // (P, Q, N, K)
                             Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.P) * d.Q * d.N * d.K) return;
    const int k = i % d.K;
    const auto [p, q, n] = digits_of(i / d.K, d.Q, d.N);
    T sum = 0;
    for (int r = 0; r < d.R; ++r)
        for (int s = 0; s < d.S; ++s) {
            const int h = p * d.stride_h + r - d.pad_h;
            const int w = q * d.stride_w + s - d.pad_w;
            if (h < 0 || h >= d.H || w < 0 || w >= d.W) continue;
            const T* pixel = x + ((h * d.W + w) * d.N + n) * d.C;
            const T* tap = weight + ((k * d.R + r) * d.S + s) * d.C;
            for (int c = 0; c < d.C; ++c) sum += pixel[c] * tap[c];
        }
    y[i] = sum;
}

/* shared: a block of 16 x 16 threads computes 16 pixels of 16 output channels. All of them
   need the same 16 windows and the same 16 filters, so the block reads these together into shared
   memory, 16 steps (r, s, c) at a time; neighbouring threads read neighbouring channels, which is
   coalesced. Each number that is read serves 16 threads: 15 of 16 loads from global memory are
   gone. The new bottleneck is shared memory, with two loads for each multiplication, and the
   addresses, which are computed anew for every number. The predicted gain is 4.5 times over
   naive. */
template <typename T>
__global__ void __launch_bounds__(256)
conv2d_shared(const T* __restrict__ x,                      // (H, W, N, C)
              const T* __restrict__ weight,                 // (K, R, S, C)
              T* __restrict__ y,                            // (P, Q, N, K)
              Conv d) {
    constexpr unsigned TILE = 16;
    __shared__ T windows[TILE][TILE];       // 16 pixels x 16 steps
    // 16 channels x 16 steps. A half warp reads a column of it, a number of each channel. With 16
    // columns these would lie in two banks, and the bank conflicts would cost eight turns. With 17
    // there are none in the loop. Only the stores still conflict: a warp writes two rows, which
    // stretch over 33 numbers, and that takes two turns.
    __shared__ T filters[TILE][TILE + 1];
    const unsigned pixels = d.P * d.Q * d.N;
    const unsigned steps = d.R * d.S * d.C;
    // the pixel whose window, and the channel whose filter this thread reads
    const unsigned m = blockIdx.x * TILE + threadIdx.y;
    const auto [p, q, n] = digits_of(m, d.Q, d.N);
    const unsigned filter = blockIdx.y * TILE + threadIdx.y;
    T sum = 0;
    for (unsigned first = 0; first < steps; first += TILE) {
        const unsigned step = first + threadIdx.x;
        const auto [r, s, c] = digits_of(step, d.S, d.C);
        const int h = p * d.stride_h + r - d.pad_h;
        const int w = q * d.stride_w + s - d.pad_w;
        const bool inside = m < pixels && step < steps && h >= 0 && h < d.H && w >= 0 && w < d.W;
        const bool has_filter = filter < d.K && step < steps;
        windows[threadIdx.y][threadIdx.x] = inside ? x[((h * d.W + w) * d.N + n) * d.C + c] : T(0);
        filters[threadIdx.y][threadIdx.x] = has_filter ? weight[filter * steps + step] : T(0);
        __syncthreads();                    // both tiles are complete
        for (unsigned i = 0; i < TILE; ++i)
            sum += windows[threadIdx.y][i] * filters[threadIdx.x][i];
        __syncthreads();                    // every thread has read them: they may be overwritten
    }
    const unsigned k = blockIdx.y * TILE + threadIdx.x;
    if (m < pixels && k < d.K) y[m * d.K + k] = sum;        // neighbours write neighbouring k
}

// Row m = (p Q + q) N + n, column k, step (r - r0, s - s0, c). Only the taps that reach the image
// from this tile are steps: otherwise a quarter of the multiplications would be with padding, in
// images of 4 x 4 pixels.
struct Conv2dOperands : Conv {
    static constexpr bool A_DEEP = true, B_DEEP = true;
    int r0 = 0, s0 = 0;                 // the first tap that reaches the image
    int middles = 0, inners = C;

    __device__ explicit Conv2dOperands(const Conv& d) : Conv(d) {}
    __device__ int rows() const { return P * Q * N; }
    __device__ int columns() const { return K; }
    __device__ long long size() const { return static_cast<long long>(rows()) * K; }

    __device__ int narrow(int first, int last, int, int) {
        const int p0 = first / N / Q;
        const int p1 = last / N / Q;
        const bool one_line = p0 == p1;             // otherwise the tile has pixels of every column
        const int q0 = one_line ? first / N % Q : 0;
        const int q1 = one_line ? last / N % Q : Q - 1;
        r0 = max(0, pad_h - p1 * stride_h);
        s0 = max(0, pad_w - q1 * stride_w);
        middles = max(0, min(S, W + pad_w - q0 * stride_w) - s0);
        const int outers = max(0, min(R, H + pad_h - p0 * stride_h) - r0);
        return outers * middles * C;
    }

    __device__ Place a_row(int m) const {           // the corner of the window
        const auto [p, q, n] = digits_of(m, Q, N);
        const int h = p * stride_h - pad_h;
        const int w = q * stride_w - pad_w;
        return {((h * W + w) * N + n) * C, h, w};
    }
    __device__ Place b_column(int k) const { return {k * R * S * C, 0, 0}; }

    __device__ Step step(const Digits& k) const {
        const int r = r0 + k.outer;
        const int s = s0 + k.middle;
        const int c = k.inner;
        return {{(r * W + s) * N * C + c, r, s}, {(r * S + s) * C + c, 0, 0}};
    }
    __device__ bool a_inside(const Place& row, const Place& step) const {
        return static_cast<unsigned>(row.h + step.h) < H
            && static_cast<unsigned>(row.w + step.w) < W;
    }
    __device__ bool b_inside(const Place& column, const Place& step) const {
        return (column.h | step.h) == 0;
    }
    __device__ int output(int m) const { return m * K; }
};

/* tiled: a block computes ROWS x COLUMNS results from slices of x and of the weight in shared
   memory, and a thread 8 x 4 or 4 x 4 of them in registers (register blocking). A number read from
   global memory now serves 64 or 128 multiplications, one read from shared memory 4 to 8, and
   addresses are computed once per 16 bytes. The loads are no longer the bottleneck: the multipliers
   are busy. Where the product is large, the predicted gain is 41 times over naive, because naive's
   reads of the weight are not coalesced. */
template <typename T, int ROWS, int COLUMNS, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(FmaTile<T, ROWS, COLUMNS>)
conv2d_tiled(const T* __restrict__ x,           // (H, W, N, C)
             const T* __restrict__ weight,      // (K, R, S, C)
             T* __restrict__ y,                 // (gridDim.y, P, Q, N, K), in parts
             Conv d) {
    gemm<FmaTile<T, ROWS, COLUMNS>, A_VEC, B_VEC>(x, weight, y, Conv2dOperands(d));
}

/* tensor: the same tiles on tensor cores, whose one instruction is 1,024 multiplications of TF32
   numbers (10-bit mantissa), added up in float32. Slices arrive by cp.async, three stages deep,
   while earlier ones are multiplied. On an H200 mma.sync can do some 330 TFLOP/s where float32 has
   67. The predicted gain over tiled is smaller, 3.5 times where the product is large, because then
   the L2 cache and shared memory are the bottleneck: for 64 x 64 results a warp reads 128 numbers
   per 4,096 multiplications. */
template <int ROWS, int COLUMNS, int WARPS_DOWN, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(MmaTile<ROWS, COLUMNS, WARPS_DOWN>)
conv2d_tensor(const float* __restrict__ x,      // (H, W, N, C)
              const float* __restrict__ weight, // (K, R, S, C)
              float* __restrict__ y,            // (gridDim.y, P, Q, N, K), in parts
              Conv d) {
    gemm<MmaTile<ROWS, COLUMNS, WARPS_DOWN>, A_VEC, B_VEC>(x, weight, y, Conv2dOperands(d));
}

/* taps, for few output channels, say the three colours of a generator's last layer: most columns of
   a tile would be empty, and x would be read R S times for the others. So the taps are taken apart,
   where the stride is 1. The product of every pixel with the weights of all taps is a 1 x 1
   convolution with R S K output channels, which reads x once; this kernel adds up what belongs
   together. It should cost a product of R S K columns, and 4 R S K bytes per pixel to write and to
   read again. */
template <typename T>
__global__ void __launch_bounds__(256)
conv2d_taps_tiled(const T* __restrict__ taps,   // (H, W, N, R, S, K)
                  T* __restrict__ y,            // (P, Q, N, K)
                  Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.P) * d.Q * d.N * d.K) return;
    const int k = i % d.K;
    const auto [p, q, n] = digits_of(i / d.K, d.Q, d.N);
    T sum = 0;
    for (int r = max(0, d.pad_h - p); r < min(d.R, d.H + d.pad_h - p); ++r)
#pragma unroll 4
        for (int s = max(0, d.pad_w - q); s < min(d.S, d.W + d.pad_w - q); ++s) {
            const int h = p + r - d.pad_h;
            const int w = q + s - d.pad_w;
            const int pixel = (h * d.W + w) * d.N + n;
            sum += taps[((pixel * d.R + r) * d.S + s) * d.K + k];
        }
    y[i] = sum;
}
