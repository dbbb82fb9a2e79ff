// LeakyReLU and its gradient, on arrays of any shape seen as n numbers: y = x where x > 0, else
// slope x.
//
// One multiplication and one comparison per number read and written: only the memory counts. 8
// bytes per float for the value, 12 for the gradient.
//
// On a CPU:
//
//     for (i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : slope * x[i];
//     for (i = 0; i < n; i++) dx[i] = y[i] > 0 ? g[i] : slope * g[i];
//
// Check a rung: python -m minigan.launch leaky_relu --rung tiled, or leaky_relu_grad.
#include "memory.cuh"

// y[i] = max(x[i], 0) + slope min(x[i], 0), one thread per i.
template <typename T>
__global__ void leaky_relu_naive(const T* __restrict__ x,       // (n)
                                 T* __restrict__ y,             // (n)
                                 T slope, int n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = leaky(x[i], slope);
}

// dx[i] = g[i] (1 where y[i] > 0, else slope): y is the output, which the next layer keeps anyway.
template <typename T>
__global__ void leaky_relu_grad_naive(const T* __restrict__ g,  // (n)
                                      const T* __restrict__ y,  // (n)
                                      T* __restrict__ dx,       // (n)
                                      T slope, int n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) dx[i] = leaky_grad(g[i], y[i], slope);
}

// Rung 2, tiled. A warp of the naive kernel asks for 128 bytes and then waits, so that a
// multiprocessor full of warps has too few bytes under way to cover the memory's latency. Here
// each thread asks for 16 bytes at a time, V numbers, and takes four such packs, of which the
// compiler loads two or more before it needs the first: eight times the bytes and more, a quarter
// of the instructions. That should lift the share of the bandwidth from some 70 to 85 % and more.

// As leaky_relu_naive; V divides n.
template <typename T, int V>
__global__ void leaky_relu_tiled(const T* __restrict__ x,       // (n)
                                 T* __restrict__ y,             // (n)
                                 T slope, int n) {
    const Span span = Span::of<V>(n);
#pragma unroll 4
    for (int k = threadIdx.x; k < span.packs; k += THREADS) {
        const int i = (span.first + k) * V;
        T pack[V];
        load(pack, x + i);
        for (int v = 0; v < V; v++) pack[v] = leaky(pack[v], slope);
        store(y + i, pack);
    }
}

// As leaky_relu_grad_naive; V divides n.
template <typename T, int V>
__global__ void leaky_relu_grad_tiled(const T* __restrict__ g,  // (n)
                                      const T* __restrict__ y,  // (n)
                                      T* __restrict__ dx,       // (n)
                                      T slope, int n) {
    const Span span = Span::of<V>(n);
#pragma unroll 4
    for (int k = threadIdx.x; k < span.packs; k += THREADS) {
        const int i = (span.first + k) * V;
        T pack[V], output[V];
        load(pack, g + i);
        load(output, y + i);
        for (int v = 0; v < V; v++) pack[v] = leaky_grad(pack[v], output[v], slope);
        store(dx + i, pack);
    }
}
