/* A bias per channel, and its gradient, which is the sum over each channel:

     y[r][c] = x[r][c] + bias[c],   sum[c] = sum over r of g[r][c].

   Both see a batch of images as one matrix (rows, C), where a row r is a pixel (h, w, n). Adding
   reads and writes each number once, 8 bytes per float; summing only reads, 4 bytes per float.
   Rungs: naive, tiled.

   On a CPU:

     for (int r = 0; r < rows; r++)
         for (int c = 0; c < C; c++) {
             y[r][c] = x[r][c] + bias[c];
             sum[c] += g[r][c];
         }

   python -m minigan.launch channel_sum --rung tiled (or add_bias) compares a rung with plain loops
   and prints "right", or how wrong it is. */
#include "memory.cuh"

/* naive: one thread adds one number, or sums one channel. The sum has only C threads, so most of
   the GPU is idle. It adds in double: one after the other, a million floats of one sign would lose
   three of their seven digits. */

// y[r][c] = x[r][c] + bias[c], where i = r C + c
template <typename T>
__global__ void add_bias_naive(const T* __restrict__ x,     // (rows, C)
                               const T* __restrict__ bias,  // (C)
                               T* __restrict__ y,           // (rows, C)
                               int rows, int channels) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < unsigned(rows) * channels) y[i] = x[i] + bias[i % channels];
}

// sum[c] = sum over r of g[r][c]
template <typename T>
__global__ void channel_sum_naive(const T* __restrict__ g,  // (rows, C)
                                  T* __restrict__ sum,      // (C)
                                  int rows, int channels) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    double total = 0;
    for (int row = 0; row < rows; row++) total += g[row * channels + c];
    sum[c] = T(total);
}

/* tiled: a thread keeps its pack of V channels and goes down the rows. The bias is read once per
   thread instead of once per number, the division i % C is gone, and loads and stores are of 16
   bytes. For the sum, every multiprocessor gets a part of the rows, and a second pass adds the sums
   of the parts in their order. So the result never depends on scheduling, and its rounding error
   grows far more slowly than the number of rows. That should take the sum from a few per cent of
   the bandwidth, and the addition from some 60, to 85 per cent. */

// As add_bias_naive; V divides C.
template <typename T, int V>
__global__ void add_bias_tiled(const T* __restrict__ x,     // (rows, C)
                               const T* __restrict__ bias,  // (C)
                               T* __restrict__ y,           // (rows, C)
                               int rows, int channels, int tile_rows) {
    const Tile tile = Tile::of<V>(rows, channels, tile_rows);
    if (tile.row >= tile.end) return;
    T b[V];
    load(b, bias + tile.c);
#pragma unroll 4
    for (int row = tile.row; row < tile.end; row += tile.step) {
        T pack[V];
        load(pack, x + row * channels + tile.c);
        for (int j = 0; j < V; j++) pack[j] += b[j];
        store(y + row * channels + tile.c, pack);
    }
}

// partial[b][c] = sum of g[r][c] over the rows of part b = blockIdx.x; V divides C. The second
// pass is this kernel again, with partial for g and a single part: its partial (1, C) is the sum.
template <typename T, int V>
__global__ void channel_sum_tiled(const T* __restrict__ g,  // (rows, C)
                                  T* __restrict__ partial,  // (parts, C)
                                  int rows, int channels, int tile_rows) {
    const Tile tile = Tile::of<V>(rows, channels, tile_rows);
    Sums<T, 1> sums[V] = {};
#pragma unroll 4
    for (int row = tile.row; row < tile.end; row += tile.step) {
        T pack[V];
        load(pack, g + row * channels + tile.c);
        for (int j = 0; j < V; j++) sums[j].at[0] += pack[j];
    }
    const Sums<T, 1> total = merge_rows(sums);
    const int c = merged_channel<V>(channels);
    if (c < channels) partial[blockIdx.x * channels + c] = total.at[0];
}
