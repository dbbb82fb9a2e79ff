// One step of Adam (Kingma and Ba 2015) as PyTorch defines it, in place, on all parameters of a
// network at once.
//
//     g += weight_decay p,   m += (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g^2
//     p -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
//
// Four numbers are read and three written per parameter, 28 bytes per float, with some thirty
// operations.
//
// On a CPU:
//
//     for (i = 0; i < n; i++) {
//         m[i] += (1 - beta1) * (g[i] - m[i]);
//         v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
//         p[i] -= step_size * m[i] / (sqrt(v[i]) / root + eps);
//     }
//
// Check a rung: python -m minigan.launch adam --rung tiled
#include "memory.cuh"

// The numbers that are the same for all parameters; 56 bytes at most.
template <typename T>
struct AdamStep {
    T rate1, beta2, rate2;          // 1 - beta1, beta2, 1 - beta2
    T step_size, root;              // lr / (1 - beta1^t), sqrt(1 - beta2^t)
    T eps, weight_decay;

    __device__ __forceinline__ void apply(T& p, T g, T& m, T& v) const {
        g += weight_decay * p;
        m += rate1 * (g - m);
        v = beta2 * v + rate2 * g * g;
        p -= step_size * (m / (sqrt(v) / root + eps));
    }
};

// The update of one tensor, one thread per number.
template <typename T>
__global__ void adam_naive(T* __restrict__ p,               // (n)
                           const T* __restrict__ g,         // (n)
                           T* __restrict__ m,               // (n)
                           T* __restrict__ v,               // (n)
                           AdamStep<T> step, int n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) step.apply(p[i], g[i], m[i], v[i]);
}

// Rung 2, tiled. A network has dozens of tensors, most of them small, and a launch takes longer
// than a small tensor's update: the naive kernel spends its time on launches. Here one launch
// takes them all. A table of their pointers travels by value among the kernel's arguments, which
// lie in constant memory, and a block finds its tensor there by bisection. Loads and stores are
// of 16 bytes. One launch instead of dozens, at 85 % of the bandwidth, is the aim.

constexpr int ADAM_ROWS = 96;       // in a table, which then has 3,904 bytes at most; arguments may have 4,096
constexpr int ADAM_CHUNK = 4096;    // numbers of one tensor that a block takes

template <typename T>
struct AdamRow {
    T* p;                           // (n) each
    const T* g;
    T *m, *v;
    int n;
    int first_block;                // the number of chunks, ceil(n / ADAM_CHUNK), in the rows before
};

template <typename T>
struct AdamTable {
    AdamRow<T> rows[ADAM_ROWS];
    AdamStep<T> step;
    int count;                      // rows in use
};

// The update of the V numbers from i on.
template <int V, typename T>
__device__ __forceinline__ void adam_pack(const AdamRow<T>& row, int i, const AdamStep<T>& step) {
    T p[V], g[V], m[V], v[V];
    load(p, row.p + i);
    load(g, row.g + i);
    load(m, row.m + i);
    load(v, row.v + i);
    for (int k = 0; k < V; k++) step.apply(p[k], g[k], m[k], v[k]);
    store(row.p + i, p), store(row.m + i, m), store(row.v + i, v);
}

// The update of all tensors of the table, a chunk per block. Where V > 1 all pointers are aligned
// to 16 bytes; V need not divide n.
template <typename T, int V>
__global__ void adam_tiled(AdamTable<T> table) {
    int low = 0, high = table.count;        // this block's row lies in [low, high)
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (table.rows[middle].first_block <= int(blockIdx.x))
            low = middle;
        else
            high = middle;
    }
    const AdamRow<T>& row = table.rows[low];
    const int first = (blockIdx.x - row.first_block) * ADAM_CHUNK;
    const int end = first + min(ADAM_CHUNK, row.n - first);
    const int whole = end - (end - first) % V;
    for (int i = first + threadIdx.x * V; i < whole; i += THREADS * V) adam_pack<V>(row, i, table.step);
    if (whole + int(threadIdx.x) < end) adam_pack<1>(row, whole + threadIdx.x, table.step);
}
