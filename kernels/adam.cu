/* One step of Adam (Kingma and Ba 2015) as PyTorch defines it, in place, on all parameters of a
   network at once:

     g += weight_decay p,   m += (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g^2,
     p -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps).

   For each parameter four numbers are read and three written, 28 bytes per float, with some thirty
   operations: the memory is the bottleneck. Rungs: naive, tiled.

   On a CPU:

     for (int i = 0; i < n; i++) {
         m[i] += (1 - beta1) * (g[i] - m[i]);
         v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
         p[i] -= step_size * m[i] / (sqrt(v[i]) / root + eps);
     }

   python -m minigan.launch adam --rung tiled compares a rung with plain loops and prints "right",
   or how wrong it is. */
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

/* naive: the update of one tensor, one thread per number. A network has dozens of tensors, most of
   them small, and a launch takes longer than the update of a small one: the time goes into
   launches. */
template <typename T>
__global__ void adam_naive(T* __restrict__ p,        // (n)
                           const T* __restrict__ g,  // (n)
                           T* __restrict__ m,        // (n)
                           T* __restrict__ v,        // (n)
                           AdamStep<T> step, int n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) step.apply(p[i], g[i], m[i], v[i]);
}

/* tiled: one launch updates all tensors. A table of their pointers travels by value among the
   kernel's arguments, which lie in constant memory, and a block finds its tensor there by
   bisection. Loads and stores are of 16 bytes. The dozens of launches are gone; what should remain
   is one launch at 85 % of the bandwidth. */

// Rows of a table, which then has 3,904 bytes at most; a kernel's arguments may have 4,096.
constexpr int ADAM_ROWS = 96;

// How many numbers of one tensor a block takes.
constexpr int ADAM_TILE = 4096;

template <typename T>
struct AdamRow {
    T* p;                           // (n) each
    const T* g;
    T *m, *v;
    int n;
    int first_block;                // blocks of the rows before: ceil(n / ADAM_TILE) each
};

template <typename T>
struct AdamTable {
    AdamRow<T> rows[ADAM_ROWS];
    AdamStep<T> step;
    int count;                      // rows in use

    // The row of a block: the last one whose first_block is not beyond it.
    __device__ __forceinline__ int row_of(int block) const {
        int low = 0;                // the row lies in [low, high)
        int high = count;
        while (high - low > 1) {
            const int middle = (low + high) / 2;
            if (rows[middle].first_block <= block)
                low = middle;
            else
                high = middle;
        }
        return low;
    }
};

// The update of the V numbers from i on.
template <int V, typename T>
__device__ __forceinline__ void adam_pack(const AdamRow<T>& row, int i, const AdamStep<T>& step) {
    T p[V], g[V], m[V], v[V];
    load(p, row.p + i);
    load(g, row.g + i);
    load(m, row.m + i);
    load(v, row.v + i);
    for (int j = 0; j < V; j++) step.apply(p[j], g[j], m[j], v[j]);
    store(row.p + i, p);
    store(row.m + i, m);
    store(row.v + i, v);
}

// The update of all tensors of the table, a tile per block. Where V > 1 all pointers are aligned
// to 16 bytes; V need not divide n, so the last few numbers go one by one.
template <typename T, int V>
__global__ void adam_tiled(AdamTable<T> table) {
    const AdamRow<T>& row = table.rows[table.row_of(blockIdx.x)];
    const int first = (blockIdx.x - row.first_block) * ADAM_TILE;
    const int end = first + min(ADAM_TILE, row.n - first);
    const int whole = end - (end - first) % V;
    for (int i = first + threadIdx.x * V; i < whole; i += THREADS * V)
        adam_pack<V>(row, i, table.step);
    if (whole + int(threadIdx.x) < end) adam_pack<1>(row, whole + threadIdx.x, table.step);
}
