/* The gradient of a convolution with respect to its weight:

     dw[k, r, s, c] = sum over p, q, n of
                      g[p, q, n, k] x[p stride_h + r - pad_h, q stride_w + s - pad_w, n, c].

   x (H, W, N, C), g (P, Q, N, K), dw (K, R, S, C), as they lie in memory. Rungs: naive, tiled,
   tensor. As a matrix product it is small and deep: K rows, R S C columns, and P Q N steps. There
   are too few tiles to fill a GPU, so the steps are shared out as well: gridDim.y parts, which
   sum_parts (gemm.cuh) adds in a fixed order.

   On a CPU:

     for (p, q, n, k) in g's shape:
         for (r, s) in the kernel's:
             h = p * stride_h + r - pad_h, v = q * stride_w + s - pad_w;
             if (0 <= h && h < H && 0 <= v && v < W)
                 for (c = 0; c < C; c++) dw[k][r][s][c] += g[p][q][n][k] * x[h][v][n][c];

   Check a rung: python -m minigan.launch conv2d_weight_grad --rung tiled */
#include "common.cuh"
#include "gemm.cuh"

/* naive: one thread computes one number of dw, the formula and nothing else. A layer has few
   weights and each is a sum over all pixels of all images: a few thousand threads in long loops,
   most of the GPU idle. */
template <typename T>
__global__ void conv2d_weight_grad_naive(const T* __restrict__ x,   // (H, W, N, C)
                                         const T* __restrict__ g,   // (P, Q, N, K)
                                         T* __restrict__ dw,        // (K, R, S, C)
                                         Conv d) {
    const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    if (i >= static_cast<long long>(d.K) * d.R * d.S * d.C) return;
    const int c = i % d.C, s = i / d.C % d.S, r = i / d.C / d.S % d.R, k = i / d.C / d.S / d.R;
    T sum = 0;
    for (int p = 0; p < d.P; ++p)
        for (int q = 0; q < d.Q; ++q) {
            const int h = p * d.stride_h + r - d.pad_h, v = q * d.stride_w + s - d.pad_w;
            if (h < 0 || h >= d.H || v < 0 || v >= d.W) continue;
            for (int n = 0; n < d.N; ++n)
                sum += g[((p * d.Q + q) * d.N + n) * d.K + k] * x[((h * d.W + v) * d.N + n) * d.C + c];
        }
    dw[i] = sum;
}

// Row k, column (r, s, c); step (p - p0, q - q0, n) of the pixels whose windows put a tap of this
// tile on the image.
struct WeightGradMaps : Conv {
    static constexpr bool A_DEEP = false, B_DEEP = false;
    int p0 = 0, q0 = 0, middles = 0, inners = N;

    __device__ explicit WeightGradMaps(const Conv& d) : Conv(d) {}
    __device__ int rows() const { return K; }
    __device__ int columns() const { return R * S * C; }
    __device__ long long size() const { return static_cast<long long>(K) * columns(); }

    __device__ int narrow(int, int, int first, int last) {
        const int r0 = first / C / S, r1 = last / C / S;
        const int s0 = r0 == r1 ? first / C % S : 0, s1 = r0 == r1 ? last / C % S : S - 1;
        p0 = max(0, pad_h - r1 + stride_h - 1) / stride_h, q0 = max(0, pad_w - s1 + stride_w - 1) / stride_w;
        const int height = H + pad_h > r0 ? min(P, (H + pad_h - r0 - 1) / stride_h + 1) - p0 : 0;
        middles = W + pad_w > s0 ? max(0, min(Q, (W + pad_w - s0 - 1) / stride_w + 1) - q0) : 0;
        return max(0, height) * middles * N;
    }

    __device__ Place a_row(int k) const { return {k, 0, 0}; }
    __device__ Place b_column(int i) const {
        const int c = i % C, s = i / C % S, r = i / C / S;
        return {(r * W + s) * N * C + c, r, s};
    }

    __device__ Step step(const Digits& k) const {
        const int p = p0 + k.outer, q = q0 + k.middle, n = k.inner;
        const int h = p * stride_h - pad_h, v = q * stride_w - pad_w;
        return {{((p * Q + q) * N + n) * K, 0, 0}, {((h * W + v) * N + n) * C, h, v}};
    }
    __device__ bool a_inside(const Place& row, const Place& step) const { return (row.h | step.h) == 0; }
    __device__ bool b_inside(const Place& column, const Place& step) const {
        return static_cast<unsigned>(column.h + step.h) < H && static_cast<unsigned>(column.w + step.w) < W;
    }
    __device__ int output(int k) const { return k * columns(); }
};

/* tiled: ROWS x COLUMNS weights per block, 8 x 4 or 4 x 4 per thread, from slices of g and x in
   shared memory, and as many parts of the steps as fill the machine. Naive's idle multiprocessors
   and its two loads per multiplication both go, which should gain twenty times and more; the cost
   is the parts' way to memory and back, a few per cent. */
template <typename T, int ROWS, int COLUMNS, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(FmaTile<T, ROWS, COLUMNS>)
conv2d_weight_grad_tiled(const T* __restrict__ x,       // (H, W, N, C)
                         const T* __restrict__ g,       // (P, Q, N, K)
                         T* __restrict__ dw,            // (gridDim.y, K, R, S, C): one part for each share of the steps
                         Conv d) {
    gemm<FmaTile<T, ROWS, COLUMNS>, A_VEC, B_VEC>(g, x, dw, WeightGradMaps(d));
}

/* tensor: the same parts on tensor cores, TF32 in and float32 sums, the slices three stages deep
   by cp.async: five times the multipliers of float32. Memory runs across the steps here, so
   fragments come from shared memory as float4 of four rows each, in as many turns as ldmatrix
   takes. */
template <int ROWS, int COLUMNS, int WARPS_DOWN, int A_VEC, int B_VEC>
__global__ void TILE_BOUNDS(MmaTile<ROWS, COLUMNS, WARPS_DOWN>)
conv2d_weight_grad_tensor(const float* __restrict__ x,  // (H, W, N, C)
                          const float* __restrict__ g,  // (P, Q, N, K)
                          float* __restrict__ dw,       // (gridDim.y, K, R, S, C)
                          Conv d) {
    gemm<MmaTile<ROWS, COLUMNS, WARPS_DOWN>, A_VEC, B_VEC>(g, x, dw, WeightGradMaps(d));
}
