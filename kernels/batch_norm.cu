/* Batch normalisation (Ioffe and Szegedy 2015) with the LeakyReLU that follows it, and their
   gradient:

     y = act((x - mean[c]) scale[c] + bias[c]),   scale = weight / sqrt(var + eps).

   mean and var are over the rows r = (h, w, n) of a matrix (rows, C). With m rows,
   z = (x - mean) inv_std, and dz the gradient before the activation,

     dbias = sum of dz,   dweight = sum of dz z,
     dx = weight inv_std (dz - dbias / m - z dweight / m).

   Rungs: naive, tiled. On a CPU, the forward pass of one channel c:

     for (int r = 0; r < rows; r++) mean += x[r][c] / rows;
     for (int r = 0; r < rows; r++) var += (x[r][c] - mean) * (x[r][c] - mean) / rows;
     scale = weight[c] / sqrt(var + eps);
     for (int r = 0; r < rows; r++) y[r][c] = act((x[r][c] - mean) * scale + bias[c]);

   python -m minigan.launch batch_norm_forward --rung tiled (or batch_norm_statistics,
   batch_norm_grad) compares a rung with plain loops and prints "right", or how wrong it is.

   How the digits are kept. Where the mean is large beside the spread of x, so is the mean's
   rounding error. Therefore nothing here is computed about a rounded mean alone. The statistics
   are those of x - pivot, where the pivot is one of the channel's own numbers: the difference of
   neighbours is exact. The mean, which is pivot plus the mean of x - pivot, is kept as two
   numbers: `centre`, their rounded sum, and `rest`, what the rounding left over. Then
   (x - mean) scale + bias = (x - centre) scale + shift with shift = bias - rest scale, and no
   digit is lost. In the form x scale + shift the two terms would cancel.

   What is read and written. One pass over x computes mean, inv_std, scale and shift per channel:
   a network has dozens of such short vectors, and a launch for each step of their arithmetic would
   cost more than the images. The forward pass reads and writes each number once: 12 bytes per
   float in training, 8 in evaluation, where the centre is the running mean and the shift the bias.
   The gradient reads g, x and y for its two sums, and again for dx: 28 bytes. Instance norm is the
   same with rows (h, w) and N C columns. Where there is no activation, the slope is 1 and g is
   passed for the gradient's y: then dz = g, and the second read of g comes from the L1 cache. */
#include "memory.cuh"

// Where a channel's pivot lies: in the middle of the image, because the corners are often a border
// of one colour.
__device__ __forceinline__ int pivot_row(int rows) {
    return rows / 2;
}

// y[0..4][c] = centre, rest, inv_std = 1 / sqrt(var + eps), scale, shift; and the running
// statistics go by `momentum` towards the mean and the unbiased variance. `mean` is that of
// x - pivot. The rest comes from Knuth's error-free sum of two numbers: `back` is the part of the
// centre that came from the mean, as it is after rounding.
template <typename T>
__device__ void finish_channel(int c, T pivot, T mean, T var,
                               const T* weight, const T* bias,      // (C) each, or null: 1, 0
                               T* running_mean, T* running_var,     // (C) each, or null
                               T* y,                                // (5, C)
                               T momentum, T eps, int rows, int channels) {
    const T centre = pivot + mean;
    const T back = centre - pivot;
    const T rest = (pivot - (centre - back)) + (mean - back);
    const T inv_std = 1 / sqrt(var + eps);
    const T scale = weight ? inv_std * weight[c] : inv_std;
    y[c] = centre;
    y[channels + c] = rest;
    y[2 * channels + c] = inv_std;
    y[3 * channels + c] = scale;
    y[4 * channels + c] = (bias ? bias[c] : T(0)) - rest * scale;
    if (running_mean == nullptr) return;
    running_mean[c] = (1 - momentum) * running_mean[c] + momentum * centre;
    running_var[c] = (1 - momentum) * running_var[c] + momentum * (var * rows / (rows - 1));
}

/* naive: one thread takes one channel, or one number. The sums are added in double, because one
   after the other a million floats of one sign would lose three of their seven digits. Only C
   threads run, they read x twice, 4 bytes at a time, and each load waits for the addition before
   it. */

// mean = sum of x[r][c] / rows,   var = sum of (x[r][c] - mean)^2 / rows
template <typename T>
__global__ void batch_norm_statistics_naive(const T* __restrict__ x,       // (rows, C)
                                            const T* __restrict__ weight,  // (C), or null: 1
                                            const T* __restrict__ bias,    // (C), or null: 0
                                            T* __restrict__ running_mean,  // (C), or null
                                            T* __restrict__ running_var,   // (C), or null
                                            T* __restrict__ y,             // (5, C)
                                            T momentum, T eps, int rows, int channels) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    const T pivot = x[pivot_row(rows) * channels + c];
    double total = 0;
    double squares = 0;
    for (int row = 0; row < rows; row++) total += double(x[row * channels + c]) - pivot;
    const double mean = total / rows;
    for (int row = 0; row < rows; row++) {
        const double d = double(x[row * channels + c]) - pivot - mean;
        squares += d * d;
    }
    finish_channel(c, pivot, T(mean), T(squares / rows), weight, bias, running_mean, running_var, y,
                   momentum, eps, rows, channels);
}

// y[r][c] = act((x[r][c] - centre[c]) scale[c] + shift[c]), where i = r C + c
template <typename T>
__global__ void batch_norm_forward_naive(const T* __restrict__ x,       // (rows, C)
                                         const T* __restrict__ centre,  // (C)
                                         const T* __restrict__ scale,   // (C)
                                         const T* __restrict__ shift,   // (C)
                                         T* __restrict__ y,             // (rows, C)
                                         T slope, int rows, int channels) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned c = i % channels;
    if (i < unsigned(rows) * channels)
        y[i] = leaky((x[i] - centre[c]) * scale[c] + shift[c], slope);
}

// sums[0][c] = dbias = sum of dz,   sums[1][c] = dweight = sum of dz (x - mean) inv_std[c]. The
// mean is the sum of its two parts.
template <typename T>
__global__ void batch_norm_grad_sums_naive(const T* __restrict__ g,        // (rows, C)
                                           const T* __restrict__ x,        // (rows, C)
                                           const T* __restrict__ y,        // (rows, C)
                                           const T* __restrict__ mean,     // (2, C): centre, rest
                                           const T* __restrict__ inv_std,  // (C)
                                           T* __restrict__ sums,           // (2, C)
                                           T slope, int rows, int channels) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    double dbias = 0;
    double dweight = 0;
    for (int row = 0; row < rows; row++) {
        const int i = row * channels + c;
        const T z = (x[i] - mean[c] - mean[channels + c]) * inv_std[c];
        const T dz = leaky_grad(g[i], y[i], slope);
        dbias += dz;
        dweight += dz * z;
    }
    sums[c] = T(dbias);
    sums[channels + c] = T(dweight);
}

// dx = weight inv_std (dz - dbias / rows - z dweight / rows),   z = (x - mean) inv_std
template <typename T>
__global__ void batch_norm_grad_naive(const T* __restrict__ g,        // (rows, C)
                                      const T* __restrict__ x,        // (rows, C)
                                      const T* __restrict__ y,        // (rows, C)
                                      const T* __restrict__ mean,     // (2, C): centre, rest
                                      const T* __restrict__ inv_std,  // (C)
                                      const T* __restrict__ weight,   // (C), or null: 1
                                      const T* __restrict__ sums,     // (2, C): dbias, dweight
                                      T* __restrict__ dx,             // (rows, C)
                                      T slope, int rows, int channels) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned c = i % channels;
    if (i >= unsigned(rows) * channels) return;
    const T z = (x[i] - mean[c] - mean[channels + c]) * inv_std[c];
    const T dz = leaky_grad(g[i], y[i], slope);
    const T factor = (weight ? weight[c] : T(1)) * inv_std[c];
    dx[i] = factor * (dz - sums[c] / rows - z * sums[channels + c] / rows);
}

/* tiled: parts of the rows keep all multiprocessors busy. x is read once, by loads of 16 bytes with
   four under way, while mean and m2 are carried along together (see Moments); a second pass merges
   the parts in their order. The elementwise kernels keep centre, scale and the like in registers
   down the rows, which saves the division i % C. A kernel that reads the matrix again begins where
   the one before ended, in the L2 cache. That should take the sums from a few per cent of the
   bandwidth, and the elementwise kernels from some 60, to 85 per cent. */

// With d[r][c] = x[r][c] - pivot[c], over the rows of part b = blockIdx.x:
// partial[b][0][c] = mean of d,   partial[b][1][c] = sum of (d - that mean)^2; V divides C.
template <typename T, int V>
__global__ void batch_norm_statistics_tiled(const T* __restrict__ x,  // (rows, C)
                                            T* __restrict__ partial,  // (parts, 2, C)
                                            int rows, int channels, int tile_rows) {
    const Tile tile = Tile::of<V>(rows, channels, tile_rows);
    Moments<T> moments[V] = {};
    T count = 0;    // the same for all channels, so that one division serves them all
    T pivot[V] = {};
    if (tile.row < tile.end) load(pivot, x + pivot_row(rows) * channels + tile.c);
    int row = tile.row;
    for (; row + 3 * tile.step < tile.end; row += 4 * tile.step) {
        T four[4][V];                           // rows, loaded together
        for (int i = 0; i < 4; i++) load(four[i], x + (row + i * tile.step) * channels + tile.c);
        const T share = 4 / (count + 4);
        for (int j = 0; j < V; j++) {
            for (int i = 0; i < 4; i++) four[i][j] -= pivot[j];
            const T centre = (four[0][j] + four[1][j] + four[2][j] + four[3][j]) / 4;
            T squares = 0;
            for (int i = 0; i < 4; i++) squares += (four[i][j] - centre) * (four[i][j] - centre);
            moments[j].merge({4, centre, squares}, share);
        }
        count += 4;
    }
#pragma unroll 1
    for (; row < tile.end; row += tile.step) {  // the rows that are left, one by one
        T pack[V];
        load(pack, x + row * channels + tile.c);
        for (int j = 0; j < V; j++) moments[j].merge({1, pack[j] - pivot[j], 0}, 1 / (count + 1));
        count += 1;
    }
    const Moments<T> total = merge_rows(moments);
    const int c = merged_channel<V>(channels);
    if (c >= channels) return;
    partial[2 * blockIdx.x * channels + c] = total.mean;
    partial[(2 * blockIdx.x + 1) * channels + c] = total.m2;
}

// mean and var = m2 / rows of all parts together; each part but the last has tile_rows rows. The
// tiles are those of a matrix whose rows are the parts.
template <typename T>
__global__ void batch_norm_statistics_merge_tiled(const T* __restrict__ x,        // (rows, C)
                                                  const T* __restrict__ partial,  // (parts, 2, C)
                                                  const T* __restrict__ weight,   // (C), or null: 1
                                                  const T* __restrict__ bias,     // (C), or null: 0
                                                  T* __restrict__ running_mean,   // (C), or null
                                                  T* __restrict__ running_var,    // (C), or null
                                                  T* __restrict__ y,              // (5, C)
                                                  T momentum, T eps,
                                                  int rows, int channels, int tile_rows,
                                                  int parts) {
    const Tile tile = Tile::of<1>(parts, channels, parts);
    Moments<T> moments[1] = {};
#pragma unroll 4
    for (int b = tile.row; b < tile.end; b += tile.step)
        moments[0].merge({T(min(tile_rows, rows - b * tile_rows)),
                          partial[2 * b * channels + tile.c],
                          partial[(2 * b + 1) * channels + tile.c]});
    const Moments<T> total = merge_rows(moments);
    const int c = merged_channel<1>(channels);
    if (c >= channels) return;
    const T pivot = x[pivot_row(rows) * channels + c];
    finish_channel(c, pivot, total.mean, total.m2 / rows, weight, bias, running_mean, running_var,
                   y, momentum, eps, rows, channels);
}

// As batch_norm_forward_naive; V divides C.
template <typename T, int V>
__global__ void batch_norm_forward_tiled(const T* __restrict__ x,       // (rows, C)
                                         const T* __restrict__ centre,  // (C)
                                         const T* __restrict__ scale,   // (C)
                                         const T* __restrict__ shift,   // (C)
                                         T* __restrict__ y,             // (rows, C)
                                         T slope, int rows, int channels, int tile_rows) {
    const Tile tile = Tile::of<V>(rows, channels, tile_rows, true);
    if (tile.row >= tile.end) return;
    T c0[V];    // the centre
    T a[V];
    T b[V];
    load(c0, centre + tile.c);
    load(a, scale + tile.c);
    load(b, shift + tile.c);
#pragma unroll 4
    for (int row = tile.row; row < tile.end; row += tile.step) {
        T pack[V];
        load(pack, x + row * channels + tile.c);
        for (int j = 0; j < V; j++) pack[j] = leaky((pack[j] - c0[j]) * a[j] + b[j], slope);
        store(y + row * channels + tile.c, pack);
    }
}

// partial[b][0][c] and [1][c] = sum of dz and of dz z, as in batch_norm_grad_sums_naive, over the
// rows of part b = blockIdx.x; V divides C. channel_sum_tiled adds the parts: to it, partial is a
// matrix (parts, 2 C).
template <typename T, int V>
__global__ void batch_norm_grad_sums_tiled(const T* __restrict__ g,        // (rows, C)
                                           const T* __restrict__ x,        // (rows, C)
                                           const T* __restrict__ y,        // (rows, C)
                                           const T* __restrict__ mean,     // (2, C): centre, rest
                                           const T* __restrict__ inv_std,  // (C)
                                           T* __restrict__ partial,        // (parts, 2, C)
                                           T slope, int rows, int channels, int tile_rows) {
    const Tile tile = Tile::of<V>(rows, channels, tile_rows);
    Sums<T, 2> sums[V] = {};
    if (tile.row < tile.end) {
        T centre[V];
        load(centre, mean + tile.c);
#pragma unroll 4
        for (int row = tile.row; row < tile.end; row += tile.step) {
            const int i = row * channels + tile.c;
            T outer[V];
            T output[V];
            T value[V];
            load(outer, g + i);
            load(output, y + i);
            load(value, x + i);
            for (int j = 0; j < V; j++) {
                const T dz = leaky_grad(outer[j], output[j], slope);
                sums[j].at[0] += dz;
                sums[j].at[1] += dz * (value[j] - centre[j]);
            }
        }
    }
    const Sums<T, 2> total = merge_rows(sums);
    const int c = merged_channel<V>(channels);
    if (c >= channels) return;
    const T dbias = total.at[0];
    const T dweight = (total.at[1] - mean[channels + c] * total.at[0]) * inv_std[c];
    partial[2 * blockIdx.x * channels + c] = dbias;
    partial[(2 * blockIdx.x + 1) * channels + c] = dweight;
}

// As batch_norm_grad_naive; V divides C. x - centre is taken first, so that a large mean costs no
// digits of dx. What does not depend on the row is computed before the rows:
// dx = factor (dz - less - (x - centre) per_d).
template <typename T, int V>
__global__ void batch_norm_grad_tiled(const T* __restrict__ g,        // (rows, C)
                                      const T* __restrict__ x,        // (rows, C)
                                      const T* __restrict__ y,        // (rows, C)
                                      const T* __restrict__ mean,     // (2, C): centre, rest
                                      const T* __restrict__ inv_std,  // (C)
                                      const T* __restrict__ weight,   // (C), or null: 1
                                      const T* __restrict__ sums,     // (2, C): dbias, dweight
                                      T* __restrict__ dx,             // (rows, C)
                                      T slope, T inverse_rows,
                                      int rows, int channels, int tile_rows) {
    const Tile tile = Tile::of<V>(rows, channels, tile_rows, true);
    if (tile.row >= tile.end) return;
    T centre[V], rest[V], inv[V];
    load(centre, mean + tile.c);
    load(rest, mean + channels + tile.c);
    load(inv, inv_std + tile.c);
    T factor[V], less[V], per_d[V];
    const T* scale = weight ? weight : inv_std;     // without a weight, the factor is inv_std alone
    load(factor, scale + tile.c);
    load(less, sums + tile.c);
    load(per_d, sums + channels + tile.c);
    for (int j = 0; j < V; j++) {
        per_d[j] *= inverse_rows * inv[j];
        less[j] = less[j] * inverse_rows - rest[j] * per_d[j];
        if (weight) factor[j] *= inv[j];
    }
#pragma unroll 2
    for (int row = tile.row; row < tile.end; row += tile.step) {
        const int i = row * channels + tile.c;
        T outer[V];
        T output[V];
        T value[V];
        load(outer, g + i);
        load(output, y + i);
        load(value, x + i);
        for (int j = 0; j < V; j++) {
            const T dz = leaky_grad(outer[j], output[j], slope);
            value[j] = factor[j] * (dz - less[j] - (value[j] - centre[j]) * per_d[j]);
        }
        store(dx + i, value);
    }
}
