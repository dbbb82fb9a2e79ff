/* Transposed convolution, the adjoint of convolution with respect to its image:

     y[h, w, n, c] = sum of x[p, q, n, k] weight[k, r, s, c] over all k and all p, q, r, s with
                     p stride_h + r - pad_h = h and q stride_w + s - pad_w = w.

   x (P, Q, N, K), weight (K, R, S, C), y (H, W, N, C), as they lie in memory. Only every stride-th
   tap meets a pixel. Which taps these are depends on (h + pad_h) mod stride_h alone, which is the
   pixel's phase. So this is stride_h stride_w ordinary convolutions with R / stride_h by
   S / stride_w taps, and no inserted zero is ever multiplied. A phase without taps (where a stride
   is larger than the kernel) is an empty sum: zeros. Rungs: naive, tiled, tensor.

   On a CPU, for every pixel (p, q) of every image n and every output channel k:

     for (int r = 0; r < R; r++)
         for (int s = 0; s < S; s++) {
             const int h = p * stride_h + r - pad_h, w = q * stride_w + s - pad_w;
             if (h < 0 || h >= H || w < 0 || w >= W) continue;
             for (int c = 0; c < C; c++) y[h][w][n][c] += x[p][q][n][k] * weight[k][r][s][c];
         }

   python -m minigan.launch conv_transpose2d --rung tiled compares a rung with plain loops and
   prints "right", or how wrong it is. */
#include "common.cuh"
#include "gemm.cuh"

/* naive: one thread computes one number of y, and skips a tap whose pixel would lie between two of
   x. Neighbouring threads have neighbouring c and share their x, but a warp at an edge or with few
   channels holds several phases, whose threads wait for each other, and every multiplication waits
   for two loads. */
template <typename T>
__global__ void conv_transpose2d_naive(const T* __restrict__ x,         // (P, Q, N, K)
                                       const T* __restrict__ weight,    // (K, R, S, C)
                                       T* __restrict__ y,               // (H, W, N, C)
                                       Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.H) * d.W * d.N * d.C) return;
    const int c = i % d.C;
    const auto [h, w, n] = digits_of(i / d.C, d.W, d.N);
    T sum = 0;
    for (int r = 0; r < d.R; ++r)
        for (int s = 0; s < d.S; ++s) {
            const int down = h + d.pad_h - r;           // = p stride_h, if the tap meets a pixel
            const int across = w + d.pad_w - s;         // = q stride_w
            const int p = down / d.stride_h;
            const int q = across / d.stride_w;
            if (down < 0 || down % d.stride_h || p >= d.P) continue;
            if (across < 0 || across % d.stride_w || q >= d.Q) continue;
            const T* pixel = x + ((p * d.Q + q) * d.N + n) * d.K;
            for (int k = 0; k < d.K; ++k)
                sum += pixel[k] * weight[((k * d.R + r) * d.S + s) * d.C + c];
        }
    y[i] = sum;
}

// One axis of one phase. Its pixels are first, first + stride, ... (`pixels` of them), its taps are
// tap, tap + stride, ... (`taps` of them). Pixel first + stride u and tap tap + stride i meet pixel
// corner + u - i of x.
struct Phase {
    int first, pixels, corner, tap, taps;

    __device__ Phase(int phase, int size, int kernel, int stride, int pad) {
        first = (phase + stride - pad % stride) % stride;
        pixels = size > first ? (size - first - 1) / stride + 1 : 0;
        corner = (first + pad) / stride;
        tap = phase;
        taps = kernel > tap ? (kernel - tap - 1) / stride + 1 : 0;
    }
};

// Row m = (u across.pixels + v) N + n of the phase blockIdx.z, where (u, v) counts the phase's
// pixels; column c; step (i - i0, j - j0, k), where (i, j) counts the phase's taps. Only the taps
// that reach x from this tile are steps.
struct ConvTranspose2dOperands : Conv {
    static constexpr bool A_DEEP = true, B_DEEP = false;
    Phase down, across;
    int i0 = 0, j0 = 0;                 // the first tap that reaches x
    int middles = 0, inners = K;

    __device__ explicit ConvTranspose2dOperands(const Conv& d)
        : Conv(d),
          down(blockIdx.z / d.stride_w, d.H, d.R, d.stride_h, d.pad_h),
          across(blockIdx.z % d.stride_w, d.W, d.S, d.stride_w, d.pad_w) {}
    __device__ int rows() const { return down.pixels * across.pixels * N; }
    __device__ int columns() const { return C; }
    __device__ long long size() const { return static_cast<long long>(H) * W * N * C; }

    __device__ int narrow(int first, int last, int, int) {
        const int u0 = first / N / across.pixels;
        const int u1 = last / N / across.pixels;
        const bool one_line = u0 == u1;             // otherwise the tile has pixels of every column
        const int v0 = one_line ? first / N % across.pixels : 0;
        const int v1 = one_line ? last / N % across.pixels : across.pixels - 1;
        i0 = max(0, down.corner + u0 - P + 1);
        j0 = max(0, across.corner + v0 - Q + 1);
        middles = max(0, min(across.taps, across.corner + v1 + 1) - j0);
        const int outers = max(0, min(down.taps, down.corner + u1 + 1) - i0);
        return outers * middles * K;
    }

    __device__ Place a_row(int m) const {
        const auto [u, v, n] = digits_of(m, across.pixels, N);
        const int p = down.corner + u;
        const int q = across.corner + v;
        return {((p * Q + q) * N + n) * K, p, q};
    }
    __device__ Place b_column(int c) const { return {c, 0, 0}; }

    __device__ Step step(const Digits& d) const {
        const int i = i0 + d.outer;
        const int j = j0 + d.middle;
        const int k = d.inner;
        const int r = down.tap + i * stride_h;
        const int s = across.tap + j * stride_w;
        return {{k - (i * Q + j) * N * K, -i, -j}, {((k * R + r) * S + s) * C, 0, 0}};
    }
    __device__ bool a_inside(const Place& row, const Place& step) const {
        return static_cast<unsigned>(row.h + step.h) < P
            && static_cast<unsigned>(row.w + step.w) < Q;
    }
    __device__ bool b_inside(const Place& column, const Place& step) const {
        return (column.h | step.h) == 0;
    }
    __device__ int output(int m) const {
        const auto [u, v, n] = digits_of(m, across.pixels, N);
        const int h = down.first + u * stride_h;
        const int w = across.first + v * stride_w;
        return ((h * W + w) * N + n) * C;
    }
};

/* tiled: one product per phase. A block computes ROWS x COLUMNS of it from slices in shared memory,
   a thread 8 x 4 or 4 x 4 of these in registers. All threads of a block have the same taps, so none
   is skipped, and a number read from memory serves 64 or 128 multiplications. The loads are no
   longer the bottleneck: the multipliers are busy. Where the product is large, the predicted gain
   is 9 times over naive. */
template <typename T, int ROWS, int COLUMNS, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(FmaTile<T, ROWS, COLUMNS>)
conv_transpose2d_tiled(const T* __restrict__ x,         // (P, Q, N, K)
                       const T* __restrict__ weight,    // (K, R, S, C)
                       T* __restrict__ y,               // (gridDim.y, H, W, N, C), in parts
                       Conv d) {
    gemm<FmaTile<T, ROWS, COLUMNS>, A_VEC, B_VEC>(x, weight, y, ConvTranspose2dOperands(d));
}

/* tensor: the same products on tensor cores, TF32 in and float32 sums, with slices that arrive by
   cp.async, three stages deep. Float32's multipliers are no longer the bottleneck: tensor cores
   have five times as many. The new bottleneck is the L2 cache, from which every phase reads x anew:
   where the product is large, the predicted gain is 2 to 3.5 times over tiled. */
template <int ROWS, int COLUMNS, int WARPS_DOWN, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(MmaTile<ROWS, COLUMNS, WARPS_DOWN>)
conv_transpose2d_tensor(const float* __restrict__ x,        // (P, Q, N, K)
                        const float* __restrict__ weight,   // (K, R, S, C)
                        float* __restrict__ y,              // (gridDim.y, H, W, N, C), in parts
                        Conv d) {
    gemm<MmaTile<ROWS, COLUMNS, WARPS_DOWN>, A_VEC, B_VEC>(x, weight, y,
                                                           ConvTranspose2dOperands(d));
}

/* taps, for few channels: as in conv2d.cu the taps are taken apart, here at any stride, because
   every pixel of x meets every tap. The product is a 1 x 1 transposed convolution with R S C
   channels, for which the weight already lies in memory as it should; this kernel adds up what
   belongs together. */
template <typename T>
__global__ void __launch_bounds__(256)
conv_transpose2d_taps_tiled(const T* __restrict__ taps,     // (P, Q, N, R, S, C)
                            T* __restrict__ y,              // (H, W, N, C)
                            Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.H) * d.W * d.N * d.C) return;
    const int c = i % d.C;
    const auto [h, w, n] = digits_of(i / d.C, d.W, d.N);
    const int down = h + d.pad_h;
    const int across = w + d.pad_w;
    T sum = 0;
    for (int r = down % d.stride_h; r < d.R; r += d.stride_h)
#pragma unroll 4
        for (int s = across % d.stride_w; s < d.S; s += d.stride_w) {
            const int p = (down - r) / d.stride_h;
            const int q = (across - s) / d.stride_w;
            if (p < 0 || p >= d.P || q < 0 || q >= d.Q) continue;
            const int pixel = (p * d.Q + q) * d.N + n;
            sum += taps[((pixel * d.R + r) * d.S + s) * d.C + c];
        }
    y[i] = sum;
}
