/* Kernels whose cost, bytes or schedule are known beforehand: tests/test_kernels_host.py. */
#include "common.cuh"

// y[i] = x[stride i + offset]
__global__ void strided(const float* x, float* y, int stride, int offset) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[stride * i + offset];  // <- global
}

// The same by way of shared memory.
__global__ void strided_shared(const float* x, float* y, int stride) {
  DYNAMIC_SHARED(float, tile);
  for (int i = threadIdx.x; i < stride * blockDim.x; i += blockDim.x) tile[i] = x[i];
  __syncthreads();
  y[threadIdx.x] = tile[stride * threadIdx.x];  // <- shared
}

// 16 bytes per thread, through shared memory, by cp.async.
__global__ void vectors(const float* x, float* y) {
  __shared__ __align__(16) float tile[4 * 64];
  cp_async<16>(tile + 4 * threadIdx.x, x + 4 * threadIdx.x, true);  // <- copy
  cp_async_commit();
  cp_async_wait<0>();
  float v[4];
  load(v, tile + 4 * threadIdx.x);
  store(y + 4 * threadIdx.x, v);
}

// Row r of out (8, 64): what each lane gets. Lane 31 has no lane above it, lane 0 none below.
__global__ void intrinsics(const int* x, int* out) {
  const int t = threadIdx.x, v = x[t];
  out[t] = __shfl_sync(ALL_LANES, v, 5);
  out[64 + t] = __shfl_xor_sync(ALL_LANES, v, 3);
  out[128 + t] = __shfl_down_sync(ALL_LANES, v, 4);
  out[192 + t] = __shfl_up_sync(ALL_LANES, v, 4);
  out[256 + t] = __ballot_sync(ALL_LANES, v % 3 == 0);
  out[320 + t] = __any_sync(ALL_LANES, v == 40) * 2 + __all_sync(ALL_LANES, v < 32);
  // two groups of lanes, each in its own time
  const unsigned half = t % 32 < 16 ? 0xffffu : 0xffff0000u;
  out[384 + t] = __shfl_xor_sync(half, v, 8);
  out[512 + t] = __shfl_down_sync(ALL_LANES, v, 33);  // of which five bits count
  out[448 + t] = t % 32 < 16 ? __ballot_sync(0xffffu, v % 2) : 0;
}

// y[i] = x[i] as bytes: neighbours share a word.
__global__ void bytes(const unsigned char* x, unsigned char* y) { y[threadIdx.x] = x[threadIdx.x]; }

// y[block] = sum of x
__global__ void sum_of_many(const double* x, double* y, int n) {
  double sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
  const double total = block_sum<256>(sum);
  if (threadIdx.x == 0) y[blockIdx.x] = total;
}

// What lies in the tile between the copy's issue and its wait; peek is not looked at by the checks.
__attribute__((noinline, no_sanitize("thread"))) float peek(const float* p) { return *p; }
__global__ void landing(const float* x, float* y) {
  __shared__ float tile[32];
  tile[threadIdx.x] = -1;
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x, threadIdx.x != 7);
  cp_async_commit();
  y[threadIdx.x] = peek(&tile[threadIdx.x]);
  __syncwarp();
  y[32 + threadIdx.x] = peek(&tile[threadIdx.x]);
  cp_async_wait<0>();
  y[64 + threadIdx.x] = tile[threadIdx.x];
}

__global__ void overflow(const int* x, int* y) {
  y[threadIdx.x] = x[threadIdx.x] + 1;  // <- overflow
}

// All threads write y[0]: which two are caught is the schedule's.
__global__ void contest(int* y) { y[0] = blockIdx.x * blockDim.x + threadIdx.x; }

// Does as it is told, in shared memory or, where there are blocks, in y. In step s a thread reads
// (op % 2 = 0) or writes cell op / 2 % 2: the word, or its byte op / 4 - 1; -1 rests. Then come the
// step's barriers: 0 none, 2 of the block, or 4 mask + 1 of the lanes of the mask, which has eight
// bits, or is the whole warp's where it is 255.
template <bool shared>
__global__ void program(const int* ops, const int* barriers, int steps, float* y) {
  __shared__ float tile[2];
  if (threadIdx.x < 2) tile[threadIdx.x] = 0;
  __syncthreads();
  for (int s = 0; s < steps; ++s) {
    const int op = ops[(blockIdx.x * steps + s) * blockDim.x + threadIdx.x];
    if (op >= 0) {
      float* cell = (shared ? tile : y) + op / 2 % 2;
      unsigned char* byte = reinterpret_cast<unsigned char*>(cell) + op / 4 - 1;
      if (op % 2) op / 4 ? void(*byte = 1) : void(*cell = 1);
      else if (op / 4 ? *byte == 77 : *cell == 77) return;
    }
    const unsigned mask = barriers[s] / 4 == 255 ? ALL_LANES : barriers[s] / 4;
    if (barriers[s] % 4 == 1 && mask >> threadIdx.x % 32 & 1) __syncwarp(mask);
    if (barriers[s] == 2) __syncthreads();
  }
}

// Arrays of numbers seen as vectors, and as bytes; an address that is not copied from may be any.
__global__ void seen_otherwise(const float4* x, unsigned char* y) {
  __shared__ __align__(16) float tile[4 * 32];
  cp_async<16>(&tile[4 * threadIdx.x], reinterpret_cast<const char*>(x) + 1, false);
  cp_async_commit();
  cp_async_wait<0>();
  const float v[1] = {x[threadIdx.x].w + tile[4 * threadIdx.x]};
  for (int i = 0; i < 4; ++i) y[4 * threadIdx.x + i] = reinterpret_cast<const unsigned char*>(v)[i];
}

struct Sizes { int rows, columns; };
__global__ void by_value(const float* x, float* y, Sizes sizes, double factor) {
  if (threadIdx.x < sizes.rows * sizes.columns) y[threadIdx.x] = x[threadIdx.x] * factor;
}
