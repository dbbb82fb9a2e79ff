/* Transposed convolution, the adjoint of convolution in its image:

     y[h, v, n, c] = sum of x[p, q, n, k] w[k, r, s, c] over all k and all p, q, r, s with
                     p stride_h + r - pad_h = h and q stride_w + s - pad_w = v.

   x (P, Q, N, K), w (K, R, S, C), y (H, W, N, C), as they lie in memory. Rungs: naive, tiled,
   tensor. Only every stride-th tap meets a pixel, and which ones depends on (h + pad_h) mod
   stride_h alone, the pixel's phase: so this is stride_h stride_w ordinary convolutions with R /
   stride_h by S / stride_w taps, and no inserted zero is ever multiplied. A phase without taps (a
   stride beyond the kernel) is a sum of nothing: zeros.

   On a CPU:

     for (p, q, n, k) in x's shape:
         for (r, s) in the kernel's:
             h = p * stride_h + r - pad_h, v = q * stride_w + s - pad_w;
             if (0 <= h && h < H && 0 <= v && v < W)
                 for (c = 0; c < C; c++) y[h][v][n][c] += x[p][q][n][k] * w[k][r][s][c];

   Check a rung: python -m minigan.launch conv_transpose2d --rung tiled */
#include "common.cuh"
#include "gemm.cuh"

/* naive: one thread computes one number of y; a tap whose pixel falls between two of x is
   skipped. Neighbouring threads have neighbouring c and share their x, but a warp at an edge or
   with few channels holds several phases, and every multiplication waits for two loads. */
template <typename T>
__global__ void conv_transpose2d_naive(const T* __restrict__ x,     // (P, Q, N, K)
                                       const T* __restrict__ w,     // (K, R, S, C)
                                       T* __restrict__ y,           // (H, W, N, C)
                                       Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.H) * d.W * d.N * d.C) return;
    const int c = i % d.C, m = i / d.C, n = m % d.N, v = m / d.N % d.W, h = m / d.N / d.W;
    T sum = 0;
    for (int r = 0; r < d.R; ++r)
        for (int s = 0; s < d.S; ++s) {
            const int up = h + d.pad_h - r, left = v + d.pad_w - s, p = up / d.stride_h, q = left / d.stride_w;
            if (up < 0 || up % d.stride_h || p >= d.P || left < 0 || left % d.stride_w || q >= d.Q) continue;
            for (int k = 0; k < d.K; ++k)
                sum += x[((p * d.Q + q) * d.N + n) * d.K + k] * w[((k * d.R + r) * d.S + s) * d.C + c];
        }
    y[i] = sum;
}

// One axis of one phase a: pixels first, first + stride, ... (`pixels` of them), taps a, a +
// stride, ... (`taps`). Pixel first + stride u and tap a + stride i meet pixel corner + u - i of
// x.
struct Phase {
    int first, pixels, corner, tap, taps;

    __device__ Phase(int a, int size, int kernel, int stride, int pad)
        : first((a + stride - pad % stride) % stride), pixels(size > first ? (size - first - 1) / stride + 1 : 0),
          corner((first + pad) / stride), tap(a), taps(kernel > a ? (kernel - a - 1) / stride + 1 : 0) {}
};

// Row m = (u V + v) N + n of the phase blockIdx.z, column c; step (i - i0, j - j0, k) of the
// phase's taps that reach x from this tile.
struct ConvTranspose2dMaps : Conv {
    static constexpr bool A_DEEP = true, B_DEEP = false;
    Phase down, across;
    int i0 = 0, j0 = 0, middles = 0, inners = K;

    __device__ explicit ConvTranspose2dMaps(const Conv& d)
        : Conv(d), down(blockIdx.z / d.stride_w, d.H, d.R, d.stride_h, d.pad_h),
          across(blockIdx.z % d.stride_w, d.W, d.S, d.stride_w, d.pad_w) {}
    __device__ int rows() const { return down.pixels * across.pixels * N; }
    __device__ int columns() const { return C; }
    __device__ long long size() const { return static_cast<long long>(H) * W * N * C; }

    __device__ int narrow(int first, int last, int, int) {
        const int u0 = first / N / across.pixels, u1 = last / N / across.pixels;
        const int v0 = u0 == u1 ? first / N % across.pixels : 0;
        const int v1 = u0 == u1 ? last / N % across.pixels : across.pixels - 1;
        i0 = max(0, down.corner + u0 - P + 1), j0 = max(0, across.corner + v0 - Q + 1);
        middles = max(0, min(across.taps, across.corner + v1 + 1) - j0);
        return max(0, min(down.taps, down.corner + u1 + 1) - i0) * middles * K;
    }

    __device__ Place a_row(int m) const {
        const int n = m % N, q = across.corner + m / N % across.pixels, p = down.corner + m / N / across.pixels;
        return {((p * Q + q) * N + n) * K, p, q};
    }
    __device__ Place b_column(int c) const { return {c, 0, 0}; }

    __device__ Step step(const Digits& d) const {
        const int i = i0 + d.outer, j = j0 + d.middle, k = d.inner;
        const int r = down.tap + i * stride_h, s = across.tap + j * stride_w;
        return {{k - (i * Q + j) * N * K, -i, -j}, {((k * R + r) * S + s) * C, 0, 0}};
    }
    __device__ bool a_inside(const Place& row, const Place& step) const {
        return static_cast<unsigned>(row.h + step.h) < P && static_cast<unsigned>(row.w + step.w) < Q;
    }
    __device__ bool b_inside(const Place& column, const Place& step) const { return (column.h | step.h) == 0; }
    __device__ int output(int m) const {
        const int n = m % N, v = m / N % across.pixels, u = m / N / across.pixels;
        return (((down.first + u * stride_h) * W + across.first + v * stride_w) * N + n) * C;
    }
};

/* tiled: one product per phase, ROWS x COLUMNS of it per block from slices in shared memory, 8 x
   4 or 4 x 4 per thread. All threads of a block have the same taps, so none is skipped, and a
   number read from memory serves 64 or 128 multiplications: the multipliers are what is busy, for
   a gain of ten to twenty where the product is large. */
template <typename T, int ROWS, int COLUMNS, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(FmaTile<T, ROWS, COLUMNS>)
conv_transpose2d_tiled(const T* __restrict__ x,         // (P, Q, N, K)
                       const T* __restrict__ w,         // (K, R, S, C)
                       T* __restrict__ y,               // (gridDim.y, H, W, N, C): one part for each share of the steps
                       Conv d) {
    gemm<FmaTile<T, ROWS, COLUMNS>, A_VEC, B_VEC>(x, w, y, ConvTranspose2dMaps(d));
}

/* tensor: the same products on tensor cores, TF32 in and float32 sums, the slices three stages
   deep by cp.async. Five times the multipliers of float32; the limit moves to shared memory, and
   for few channels to the second-level cache, which every phase reads x from anew. */
template <int ROWS, int COLUMNS, int WARPS_DOWN, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(MmaTile<ROWS, COLUMNS, WARPS_DOWN>)
conv_transpose2d_tensor(const float* __restrict__ x,    // (P, Q, N, K)
                        const float* __restrict__ w,    // (K, R, S, C)
                        float* __restrict__ y,          // (gridDim.y, H, W, N, C)
                        Conv d) {
    gemm<MmaTile<ROWS, COLUMNS, WARPS_DOWN>, A_VEC, B_VEC>(x, w, y, ConvTranspose2dMaps(d));
}

/* Few channels: as in conv2d.cu the taps come apart, at any stride, for here every pixel of x
   meets every tap. The product is a transposed convolution of 1 x 1 with R S C channels, for
   which w lies in memory as it should. */
template <typename T>
__global__ void __launch_bounds__(256)
conv_transpose2d_taps_tiled(const T* __restrict__ taps, // (P, Q, N, R, S, C)
                            T* __restrict__ y,          // (H, W, N, C)
                            Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.H) * d.W * d.N * d.C) return;
    const int c = i % d.C, m = i / d.C, n = m % d.N, v = m / d.N % d.W, h = m / d.N / d.W;
    const int up = h + d.pad_h, left = v + d.pad_w;
    T sum = 0;
    for (int r = up % d.stride_h; r < d.R; r += d.stride_h)
#pragma unroll 4
        for (int s = left % d.stride_w; s < d.S; s += d.stride_w) {
            const int p = (up - r) / d.stride_h, q = (left - s) / d.stride_w;
            if (p >= 0 && p < d.P && q >= 0 && q < d.Q)
                sum += taps[((((p * d.Q + q) * d.N + n) * d.R + r) * d.S + s) * d.C + c];
        }
    y[i] = sum;
}
