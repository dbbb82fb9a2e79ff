// What the memory-bound kernels share: packs of 16 bytes, tiles of a (rows, C) matrix, and sums
// over its rows.
//
// These kernels do a few operations per number read, so their speed is the memory's, and the one
// idea is to keep it busy: each number is read once, neighbouring threads read neighbouring
// addresses, 16 bytes at a time, and every thread has several loads under way. Images lie in
// memory as (H, W, N, C), so that all sums over a channel are sums down a column of one matrix
// with H W N rows, and instance norm's are the same with H W rows and N C columns.
#ifndef MINIGAN_MEMORY_CUH
#define MINIGAN_MEMORY_CUH

#include "common.cuh"

constexpr int THREADS = 256;    // in a block of every tiled kernel here
constexpr int WARPS = THREADS / WARP;

// A pack is V neighbours in memory: with V = CHUNK<T> they travel in one load or store of 16
// bytes, and V = 1 serves where the addresses or the number of channels do not allow that.

// The packs of an array of n numbers that a block takes: four per thread, so that some loads are
// under way at once.
struct Span {
    int first, packs;

    template <int V>
    static __device__ __forceinline__ Span of(int n) {
        const int first = blockIdx.x * 4 * THREADS;
        return {first, min(4 * THREADS, n / V - first)};
    }
};

// x where x > 0, else slope x. ReLU of minus infinity is 0, not 0 times infinity; NaN stays NaN;
// a slope of 1 is no activation, to the bit.
template <typename T>
__device__ __forceinline__ T leaky(T x, T slope) {
    return x > 0 ? x : slope == 0 && x < 0 ? T(0) : slope * x;
}

// The gradient behind the activation whose output is y: at y = 0 the slope is the negative side's.
template <typename T>
__device__ __forceinline__ T leaky_grad(T g, T y, T slope) {
    return y > 0 ? g : slope * g;
}

// A block works on `band` rows by blockDim.x packs of V channels: thread (x, y) takes pack x of
// the tile and the rows y, y + blockDim.y, ... of the band. blockIdx.x is the band, blockIdx.y
// the tile's place among the channels. blockDim.x is a power of two of at most 32 and blockDim.x
// * blockDim.y == THREADS, so a warp reads whole lines of memory whether there are 3 channels or
// 3,000.
struct Tile {
    int c, row, end, step;      // this thread's first channel; its rows are row, row + step, ... < end

    // Where a pass follows another, `last_first` takes the bands from the last to the first: the
    // end of the matrix is what the pass before has left in the L2 cache.
    template <int V>
    static __device__ __forceinline__ Tile of(int rows, int channels, int band, bool last_first = false) {
        const int c = (blockIdx.y * blockDim.x + threadIdx.x) * V;
        const int first = (last_first ? gridDim.x - 1 - blockIdx.x : blockIdx.x) * band;
        return {c, first + int(threadIdx.y), c < channels ? first + min(band, rows - first) : 0, int(blockDim.y)};
    }
};

// K sums at once.
template <typename T, int K>
struct Sums {
    T at[K];

    __device__ void merge(const Sums& other) {
        for (int k = 0; k < K; k++) at[k] += other.at[k];
    }
    __device__ Sums from_lane_above(int step) const {
        Sums other;
        for (int k = 0; k < K; k++) other.at[k] = __shfl_down_sync(ALL_LANES, at[k], step);
        return other;
    }
};

// The number of values in a set, their mean, and m2 = the sum of (value - mean)^2.
//
// E[x^2] - E[x]^2 would lose every digit of the variance where the mean is large. Chan, Golub and
// LeVeque (1979) unite two sets by the difference of their means, so that nothing is ever
// subtracted but numbers of like size.
template <typename T>
struct Moments {
    T count, mean, m2;

    // share: other's part of the united count.
    __device__ __forceinline__ void merge(const Moments& other, T share) {
        const T d = other.mean - mean;
        m2 += other.m2 + d * count * share * d;
        mean += d * share;
        count += other.count;
    }
    __device__ void merge(const Moments& other) {
        if (other.count > 0) merge(other, other.count / (count + other.count));
    }
    __device__ Moments from_lane_above(int step) const {
        return {__shfl_down_sync(ALL_LANES, count, step), __shfl_down_sync(ALL_LANES, mean, step),
                __shfl_down_sync(ALL_LANES, m2, step)};
    }
};

// Merges a tile's rows: every thread brings V partial results, one per channel of its pack, and
// thread t < V blockDim.x takes away that of the tile's channel t. First the lanes of a warp that
// share a channel, by shuffles, then the warps, through shared memory, always in the same order.
// For one call per kernel: no barrier guards `parts` from a second.
template <int V, typename Partial>
__device__ Partial merge_rows(Partial (&mine)[V]) {
    __shared__ Partial parts[WARPS][WARP * V];
    const int width = blockDim.x, thread = threadIdx.y * width + threadIdx.x, lane = thread % WARP;
#pragma unroll
    for (int v = 0; v < V; v++) {
        for (int step = WARP / 2; step >= width; step /= 2) mine[v].merge(mine[v].from_lane_above(step));
        parts[thread / WARP][lane * V + v] = mine[v];
    }
    __syncthreads();
    Partial total = mine[0];
    if (thread < width * V) {
        total = parts[0][thread];
        for (int warp = 1; warp < WARPS; warp++) total.merge(parts[warp][thread]);
    }
    return total;
}

// The channel whose total merge_rows gives this thread, or `channels` if it gives none.
template <int V>
__device__ __forceinline__ int merged_channel(int channels) {
    const int width = blockDim.x * V, thread = threadIdx.y * blockDim.x + threadIdx.x;
    return thread < width ? min(int(blockIdx.y) * width + thread, channels) : channels;
}

#endif
