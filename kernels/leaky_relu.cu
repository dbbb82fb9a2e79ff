/* LeakyReLU and its gradient, on n numbers (an array of any shape):

     y[i] = x[i] where x[i] > 0, otherwise slope x[i].

   Each number that is read and written takes one multiplication and one comparison, so only the
   memory counts: 8 bytes per float for the value, 12 for the gradient. Rungs: naive, tiled.

   On a CPU:

     for (int i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : slope * x[i];
     for (int i = 0; i < n; i++) dx[i] = y[i] > 0 ? g[i] : slope * g[i];

   python -m minigan.launch leaky_relu --rung tiled (or leaky_relu_grad) compares a rung with plain
   loops and prints "right", or how wrong it is. */
#include "memory.cuh"

/* naive: one thread computes one number. A warp asks for 128 bytes and then waits for them. */

// y[i] = max(x[i], 0) + slope min(x[i], 0)
template <typename T>
__global__ void leaky_relu_naive(const T* __restrict__ x,  // (n)
                                 T* __restrict__ y,        // (n)
                                 T slope, int n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = leaky(x[i], slope);
}

// dx[i] = g[i] (1 where y[i] > 0, otherwise slope). y is the output, which the next layer keeps
// anyway.
template <typename T>
__global__ void leaky_relu_grad_naive(const T* __restrict__ g,  // (n)
                                      const T* __restrict__ y,  // (n)
                                      T* __restrict__ dx,       // (n)
                                      T slope, int n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) dx[i] = leaky_grad(g[i], y[i], slope);
}

/* tiled: a thread asks for 16 bytes at a time, V numbers, and takes four such packs. The naive
   kernel fills a multiprocessor with warps that wait, and still has too few bytes under way to
   hide the latency of the memory. Here the compiler loads two packs or more before it needs the
   first: at least eight times the bytes, with a quarter of the instructions. That should raise the
   share of the bandwidth from some 70 to 85 % and more. */

// As leaky_relu_naive; V divides n.
template <typename T, int V>
__global__ void leaky_relu_tiled(const T* __restrict__ x,  // (n)
                                 T* __restrict__ y,        // (n)
                                 T slope, int n) {
    const PackRange range = PackRange::of<V>(n);
#pragma unroll 4
    for (int k = threadIdx.x; k < range.packs; k += THREADS) {
        const int i = (range.first + k) * V;
        T pack[V];
        load(pack, x + i);
        for (int j = 0; j < V; j++) pack[j] = leaky(pack[j], slope);
        store(y + i, pack);
    }
}

// As leaky_relu_grad_naive; V divides n.
template <typename T, int V>
__global__ void leaky_relu_grad_tiled(const T* __restrict__ g,  // (n)
                                      const T* __restrict__ y,  // (n)
                                      T* __restrict__ dx,       // (n)
                                      T slope, int n) {
    const PackRange range = PackRange::of<V>(n);
#pragma unroll 4
    for (int k = threadIdx.x; k < range.packs; k += THREADS) {
        const int i = (range.first + k) * V;
        T pack[V];
        T output[V];
        load(pack, g + i);
        load(output, y + i);
        for (int j = 0; j < V; j++) pack[j] = leaky_grad(pack[j], output[j], slope);
        store(dx + i, pack);
    }
}
