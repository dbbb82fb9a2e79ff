/* The gradient of a convolution with respect to its weight:

     dw[k, r, s, c] = sum over p, q, n of
                      g[p, q, n, k] x[p stride_h + r - pad_h, q stride_w + s - pad_w, n, c].

   x (H, W, N, C), g (P, Q, N, K), dw (K, R, S, C), as they lie in memory. As a matrix product it is
   small and deep: K rows, R S C columns and P Q N steps. There are too few tiles to fill a GPU, so
   the steps are shared out as well (split-K): gridDim.y parts, which sum_parts (gemm.cuh) adds in a
   fixed order. Rungs: naive, tiled, tensor.

   On a CPU, for every pixel (p, q) of every image n and every output channel k:

     for (int r = 0; r < R; r++)
         for (int s = 0; s < S; s++) {
             const int h = p * stride_h + r - pad_h, w = q * stride_w + s - pad_w;
             if (h < 0 || h >= H || w < 0 || w >= W) continue;
             for (int c = 0; c < C; c++) dw[k][r][s][c] += g[p][q][n][k] * x[h][w][n][c];
         }

   python -m minigan.launch conv2d_weight_grad --rung tiled compares a rung with plain loops and
   prints "right", or how wrong it is. */
#include "common.cuh"
#include "gemm.cuh"

/* naive: one thread computes one number of dw, by the formula and nothing else. A layer has few
   weights, and each of them is a sum over all pixels of all images: a few thousand threads run long
   loops while most of the GPU is idle, and every multiplication waits for two loads. */
template <typename T>
__global__ void conv2d_weight_grad_naive(const T* __restrict__ x,   // (H, W, N, C)
                                         const T* __restrict__ g,   // (P, Q, N, K)
                                         T* __restrict__ dw,        // (K, R, S, C)
                                         Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.K) * d.R * d.S * d.C) return;
    const int c = i % d.C;
    const auto [k, r, s] = digits_of(i / d.C, d.R, d.S);
    T sum = 0;
    for (int p = 0; p < d.P; ++p)
        for (int q = 0; q < d.Q; ++q) {
            const int h = p * d.stride_h + r - d.pad_h;
            const int w = q * d.stride_w + s - d.pad_w;
            if (h < 0 || h >= d.H || w < 0 || w >= d.W) continue;
            for (int n = 0; n < d.N; ++n)
                sum += g[((p * d.Q + q) * d.N + n) * d.K + k]
                     * x[((h * d.W + w) * d.N + n) * d.C + c];
        }
    dw[i] = sum;
}

// Row k, column (r S + s) C + c, step (p - p0, q - q0, n). Only the pixels whose windows put a tap
// of this tile on the image are steps.
struct WeightGradOperands : Conv {
    static constexpr bool A_DEEP = false, B_DEEP = false;
    int p0 = 0, q0 = 0;                 // the first of these pixels
    int middles = 0, inners = N;

    __device__ explicit WeightGradOperands(const Conv& d) : Conv(d) {}
    __device__ int rows() const { return K; }
    __device__ int columns() const { return R * S * C; }
    __device__ long long size() const { return static_cast<long long>(K) * columns(); }

    __device__ int narrow(int, int, int first, int last) {
        const int r0 = first / C / S;
        const int r1 = last / C / S;
        const bool one_line = r0 == r1;             // otherwise the tile has taps of every column
        const int s0 = one_line ? first / C % S : 0;
        const int s1 = one_line ? last / C % S : S - 1;
        p0 = max(0, pad_h - r1 + stride_h - 1) / stride_h;
        q0 = max(0, pad_w - s1 + stride_w - 1) / stride_w;
        int outers = 0;
        if (H + pad_h > r0) outers = min(P, (H + pad_h - r0 - 1) / stride_h + 1) - p0;
        middles = 0;
        if (W + pad_w > s0) middles = max(0, min(Q, (W + pad_w - s0 - 1) / stride_w + 1) - q0);
        return max(0, outers) * middles * N;
    }

    __device__ Place a_row(int k) const { return {k, 0, 0}; }
    __device__ Place b_column(int i) const {
        const auto [r, s, c] = digits_of(i, S, C);
        return {(r * W + s) * N * C + c, r, s};
    }

    __device__ Step step(const Digits& k) const {
        const int p = p0 + k.outer;
        const int q = q0 + k.middle;
        const int n = k.inner;
        const int h = p * stride_h - pad_h;
        const int w = q * stride_w - pad_w;
        return {{((p * Q + q) * N + n) * K, 0, 0}, {((h * W + w) * N + n) * C, h, w}};
    }
    __device__ bool a_inside(const Place& row, const Place& step) const {
        return (row.h | step.h) == 0;
    }
    __device__ bool b_inside(const Place& column, const Place& step) const {
        return static_cast<unsigned>(column.h + step.h) < H
            && static_cast<unsigned>(column.w + step.w) < W;
    }
    __device__ int output(int k) const { return k * columns(); }
};

/* tiled: a block computes ROWS x COLUMNS weights, a thread 8 x 4 or 4 x 4 of them in registers,
   from slices of g and x in shared memory, and there are as many parts of the steps as fill the
   GPU. The idle multiprocessors and the two loads per multiplication are gone: where the product is
   large, the predicted gain is 9 times over naive. The cost is that the parts are written and read
   again: a few per cent. */
template <typename T, int ROWS, int COLUMNS, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(FmaTile<T, ROWS, COLUMNS>)
conv2d_weight_grad_tiled(const T* __restrict__ x,       // (H, W, N, C)
                         const T* __restrict__ g,       // (P, Q, N, K)
                         T* __restrict__ dw,            // (gridDim.y, K, R, S, C), in parts
                         Conv d) {
    gemm<FmaTile<T, ROWS, COLUMNS>, A_VEC, B_VEC>(g, x, dw, WeightGradOperands(d));
}

/* tensor: the same parts on tensor cores, TF32 in and float32 sums, with slices that arrive by
   cp.async, three stages deep. Float32's multipliers are no longer the bottleneck: tensor cores
   have five times as many. The predicted gain is 3.5 times over tiled where the product is large,
   because the L2 cache becomes the bottleneck. Memory runs across the steps here, so fragments come
   from shared memory as float4 of four rows each, which takes as many turns as ldmatrix. */
template <int ROWS, int COLUMNS, int WARPS_DOWN, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(MmaTile<ROWS, COLUMNS, WARPS_DOWN>)
conv2d_weight_grad_tensor(const float* __restrict__ x,  // (H, W, N, C)
                          const float* __restrict__ g,  // (P, Q, N, K)
                          float* __restrict__ dw,       // (gridDim.y, K, R, S, C), in parts
                          Conv d) {
    gemm<MmaTile<ROWS, COLUMNS, WARPS_DOWN>, A_VEC, B_VEC>(g, x, dw, WeightGradOperands(d));
}
