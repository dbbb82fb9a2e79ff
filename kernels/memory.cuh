/* What the memory-bound kernels share: packs of 16 bytes, tiles of a (rows, C) matrix, and sums
   over its rows.

   These kernels do a few operations per number, so they are as fast as the memory. All that counts
   is to keep it busy: each number is read once, neighbouring threads read neighbouring addresses
   (coalesced access), 16 bytes at a time, and every thread has several loads under way. Images lie
   in memory as (H, W, N, C), so a sum over a channel is a sum down a column of one matrix with
   H W N rows. Instance norm's sums are the same, with H W rows and N C columns. */
#pragma once

#include "common.cuh"

constexpr int THREADS = 256;    // in a block of every tiled kernel here; grids.py has it too
constexpr int WARPS = THREADS / WARP;

// A pack is V neighbours in memory. With V = CHUNK<T> they travel in one load or store of 16 bytes;
// V = 1 is for addresses, or numbers of channels, that do not allow that.

// The packs that a block takes of an array of n numbers: four per thread, so that several loads are
// under way at once. grids.py counts the blocks: PACKS_OF_A_BLOCK.
struct PackRange {
    int first, packs;

    template <int V>
    static __device__ __forceinline__ PackRange of(int n) {
        const int first = blockIdx.x * 4 * THREADS;
        return {first, min(4 * THREADS, n / V - first)};
    }
};

// x where x > 0, otherwise slope x. With slope 0, minus infinity becomes 0 (and not 0 times
// infinity); NaN stays NaN. A slope of 1 changes no bit.
template <typename T>
__device__ __forceinline__ T leaky(T x, T slope) {
    if (x > 0) return x;
    if (slope == 0 && x < 0) return T(0);
    return slope * x;
}

// The gradient before an activation whose output is y. At y = 0 the negative side's slope counts.
template <typename T>
__device__ __forceinline__ T leaky_grad(T g, T y, T slope) {
    return y > 0 ? g : slope * g;
}

// A block works on tile_rows rows by blockDim.x packs of V channels. Thread (x, y) takes pack x of
// the tile, and of its rows y, y + blockDim.y, ... blockIdx.x counts the tiles down the rows, and
// blockIdx.y across the channels. blockDim.x is a power of two of at most 32, and blockDim.x
// blockDim.y = THREADS: a warp reads whole lines of memory whether there are 3 channels or 3,000.
struct Tile {
    int c, row, end, step;      // this thread's first channel; its rows: row, row + step, ... < end

    // A kernel that follows another one takes the tiles from the last to the first (`last_first`),
    // because the end of the matrix is what the kernel before has left in the L2 cache.
    template <int V>
    static __device__ __forceinline__ Tile of(int rows, int channels, int tile_rows,
                                              bool last_first = false) {
        const int c = (blockIdx.y * blockDim.x + threadIdx.x) * V;
        const unsigned place = last_first ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
        const int first = place * tile_rows;
        const int row = first + int(threadIdx.y);
        const int end = c < channels ? first + min(tile_rows, rows - first) : 0;
        return {c, row, end, int(blockDim.y)};
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
// LeVeque (1979) merge two sets by the difference of their means, which subtracts only numbers of
// like size.
template <typename T>
struct Moments {
    T count, mean, m2;

    // share: which part of the merged values is the other's.
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

// Merges the rows of a tile. Every thread brings V partial results, one per channel of its pack;
// thread t < V blockDim.x receives the result of the tile's channel t. First the lanes of a warp
// that share a channel are merged by shuffles, then the warps through shared memory, always in the
// same order. A kernel may call this once only, because no barrier protects `parts` from a second
// call.
template <int V, typename Partial>
__device__ Partial merge_rows(Partial (&mine)[V]) {
    __shared__ Partial parts[WARPS][WARP * V];
    const int width = blockDim.x;
    const int thread = threadIdx.y * width + threadIdx.x;
    const int lane = thread % WARP;
#pragma unroll
    for (int j = 0; j < V; j++) {
        for (int step = WARP / 2; step >= width; step /= 2)
            mine[j].merge(mine[j].from_lane_above(step));
        parts[thread / WARP][lane * V + j] = mine[j];
    }
    __syncthreads();
    Partial total = mine[0];
    if (thread < width * V) {
        total = parts[0][thread];
        for (int warp = 1; warp < WARPS; warp++) total.merge(parts[warp][thread]);
    }
    return total;
}

// The channel whose total merge_rows gives to this thread, or `channels` where it gives none.
template <int V>
__device__ __forceinline__ int merged_channel(int channels) {
    const int width = blockDim.x * V;
    const int thread = threadIdx.y * blockDim.x + threadIdx.x;
    return thread < width ? min(int(blockIdx.y) * width + thread, channels) : channels;
}
