/* Binary cross-entropy on logits, the loss of the GAN game, and its gradient.

   With p = sigmoid(x), the textbook's -t log p - (1 - t) log(1 - p) overflows where p rounds to 0
   or 1. Written in the logit it is exact for every finite x:

     loss(x, t) = max(x, 0) - x t + log(1 + exp(-|x|)),   d loss / dx = sigmoid(x) - t.

   The targets t are an array, or one number for all of x where the array's pointer is null. Rungs:
   naive, tiled.

   On a CPU:

     for (int i = 0; i < n; i++) {
         loss += max(x[i], 0) - x[i] * t[i] + log1p(exp(-fabs(x[i])));
         dx[i] = g * (1 / (1 + exp(-x[i])) - t[i]);
     }

   python -m minigan.launch bce_with_logits --rung tiled (or bce_with_logits_grad) compares a rung
   with plain loops and prints "right", or how wrong it is. */
#include "memory.cuh"

template <typename T>
__device__ __forceinline__ T cross_entropy(T x, T t) {
    return (x > 0 ? x : T(0)) - x * t + log1p(exp(-fabs(x)));
}

template <typename T>
__device__ __forceinline__ T sigmoid(T x) {
    const T small = exp(-fabs(x));      // never overflows
    return (x >= 0 ? T(1) : small) / (1 + small);
}

/* naive: one thread computes one number. The sum is a loop of a single thread, in double. */

// loss[i] = loss(x[i], t[i])
template <typename T>
__global__ void bce_with_logits_naive(const T* __restrict__ x,       // (n)
                                      const T* __restrict__ target,  // (n), or null
                                      T number,                      // then all targets
                                      T* __restrict__ loss,          // (n)
                                      int n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) loss[i] = cross_entropy(x[i], target ? target[i] : number);
}

// sum[0] = scale times the sum over i of loss(x[i], t[i]). scale is 1, or 1 / n for the mean.
template <typename T>
__global__ void bce_with_logits_sum_naive(const T* __restrict__ x,       // (n)
                                          const T* __restrict__ target,  // (n), or null
                                          T number,                      // then all targets
                                          T* __restrict__ sum,           // (1)
                                          T scale, int n) {
    double total = 0;
    for (int i = 0; i < n; i++) total += cross_entropy(x[i], target ? target[i] : number);
    sum[0] = T(total * scale);
}

// dx[i] = (sigmoid(x[i]) - t[i]) g scale, where g is g[i] if nothing was reduced (each = 1),
// otherwise g[0] (each = 0).
template <typename T>
__global__ void bce_with_logits_grad_naive(const T* __restrict__ x,       // (n)
                                           const T* __restrict__ target,  // (n), or null
                                           T number,                      // then all targets
                                           const T* __restrict__ g,       // (n) or (1)
                                           int each,
                                           T* __restrict__ dx,            // (n)
                                           T scale, int n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) dx[i] = (sigmoid(x[i]) - (target ? target[i] : number)) * (g[each * i] * scale);
}

/* tiled: every thread sums a share, a block adds its threads' sums by shuffles, and a second pass
   adds the sums of the blocks in their order, so that nothing depends on scheduling. The single
   thread's wait is gone. All loads and stores are of 16 bytes, V numbers. exp, log1p and a
   division take some 50 instructions per number, which is what a multiprocessor can do while the
   memory moves 8 bytes: for float this should come near 85 % of the bandwidth; for double the
   arithmetic is the bottleneck. */

// The V numbers of an array from i on, or V times the one number where there is no array.
template <typename T, int V>
__device__ __forceinline__ void load_or(T (&pack)[V], const T* array, T number, int i) {
    for (T& each : pack) each = number;
    if (array) load(pack, array + i);
}

// As bce_with_logits_naive; V divides n.
template <typename T, int V>
__global__ void bce_with_logits_tiled(const T* __restrict__ x,       // (n)
                                      const T* __restrict__ target,  // (n), or null
                                      T number,                      // then all targets
                                      T* __restrict__ loss,          // (n)
                                      int n) {
    const PackRange range = PackRange::of<V>(n);
#pragma unroll 2
    for (int k = threadIdx.x; k < range.packs; k += THREADS) {
        const int i = (range.first + k) * V;
        T logit[V];
        T t[V];
        load(logit, x + i);
        load_or(t, target, number, i);
        for (int j = 0; j < V; j++) logit[j] = cross_entropy(logit[j], t[j]);
        store(loss + i, logit);
    }
}

// partial[blockIdx.x] = scale times the sum of loss(x[i], t[i]) over the packs of the block; V
// divides n. With one block this is the result. Otherwise channel_sum_tiled adds up partial, which
// it sees as a matrix (blocks, 1).
template <typename T, int V>
__global__ void bce_with_logits_sum_tiled(const T* __restrict__ x,       // (n)
                                          const T* __restrict__ target,  // (n), or null
                                          T number,                      // then all targets
                                          T* __restrict__ partial,       // (blocks)
                                          T scale, int n) {
    const PackRange range = PackRange::of<V>(n);
    T sum = 0;
#pragma unroll 2
    for (int k = threadIdx.x; k < range.packs; k += THREADS) {
        const int i = (range.first + k) * V;
        T logit[V];
        T t[V];
        load(logit, x + i);
        load_or(t, target, number, i);
        for (int j = 0; j < V; j++) sum += cross_entropy(logit[j], t[j]);
    }
    sum = block_sum<THREADS>(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum * scale;
}

// As bce_with_logits_grad_naive; V divides n.
template <typename T, int V>
__global__ void bce_with_logits_grad_tiled(const T* __restrict__ x,       // (n)
                                           const T* __restrict__ target,  // (n), or null
                                           T number,                      // then all targets
                                           const T* __restrict__ g,       // (n) or (1)
                                           int each,
                                           T* __restrict__ dx,            // (n)
                                           T scale, int n) {
    const PackRange range = PackRange::of<V>(n);
    const T outer = g[0];
#pragma unroll 2
    for (int k = threadIdx.x; k < range.packs; k += THREADS) {
        const int i = (range.first + k) * V;
        T logit[V];
        T t[V];
        T factor[V];
        load(logit, x + i);
        load_or(t, target, number, i);
        load_or(factor, each ? g : nullptr, outer, i);
        for (int j = 0; j < V; j++) logit[j] = (sigmoid(logit[j]) - t[j]) * (factor[j] * scale);
        store(dx + i, logit);
    }
}
