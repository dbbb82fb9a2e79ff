/* Wrong kernels, each as small as its mistake allows.

   Every kernel is a template on `right`. gallery<false> holds the mistake, which the host device
   must report at a line marked "here"; gallery<true> is the same kernel without it. A block has 64
   threads, unless a comment says otherwise. test_kernels_gallery.py has arguments and reports. */
#include "common.cuh"

// y = x reversed within the block, by way of shared memory.
template <bool right>
__global__ void missing_syncthreads(const float* x, float* y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];  // <- here
  if (right) __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];  // <- here
}

// The same for eight tiles in turn: the next tile may not be written before all have read this one.
template <bool right>
__global__ void missing_second_syncthreads(const float* x, float* y) {
  __shared__ float tile[64];
  for (int i = 0; i < 512; i += 64) {
    tile[threadIdx.x] = x[i + threadIdx.x];  // <- here
    __syncthreads();
    y[i + threadIdx.x] = tile[63 - threadIdx.x];  // <- here
    if (right) __syncthreads();
  }
}

// y = x reversed within each warp: threads of one warp need no barrier of the block, but they need
// one of the warp.
template <bool right>
__global__ void missing_syncwarp(const float* x, float* y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];  // <- here
  if (right) __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x ^ 31];  // <- here
}

// __syncwarp orders one warp only.
template <bool right>
__global__ void syncwarp_for_a_block(const float* x, float* y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];  // <- here
  if (right) __syncthreads();
  else __syncwarp();
  y[threadIdx.x] = tile[63 - threadIdx.x];  // <- here
}

// Pairs of lanes that order themselves with a mask; the wrong one reads the neighbouring pair's
// value.
template <bool right>
__global__ void syncwarp_of_other_lanes(const float* x, float* y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];  // <- here
  __syncwarp(3u << (threadIdx.x % 32 & ~1));
  y[threadIdx.x] = tile[threadIdx.x ^ (right ? 1 : 2)];  // <- here
}

// A shuffle moves registers; it does not order memory.
template <bool right>
__global__ void shuffle_for_a_barrier(const float* x, float* y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];  // <- here
  const float other = __shfl_xor_sync(ALL_LANES, x[threadIdx.x], 31);
  if (right) __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x ^ 31] - other;  // <- here
}

// y[0] = sum of x, by a += that is a read and a write.
template <bool right>
__global__ void racy_sum_in_shared(const float* x, float* y) {
  __shared__ float sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  if (right) {
    for (int turn = 0; turn < 64; ++turn) {
      if (threadIdx.x == turn) sum += x[threadIdx.x];
      __syncthreads();
    }
  } else {
    sum += x[threadIdx.x];  // <- here
    __syncthreads();
  }
  if (threadIdx.x == 0) y[0] = sum;
}

// Four blocks; y[0] is their sum, or y[block] each one's own.
template <bool right>
__global__ void racy_sum_across_blocks(const float* x, float* y) {
  float sum = warp_sum(x[blockIdx.x * 64 + threadIdx.x]);
  if (threadIdx.x == 0) y[right ? blockIdx.x : 0] += sum;  // <- here
}

// Four blocks; a block reads what another one wrote.
template <bool right>
__global__ void block_reads_its_neighbours_result(float* y) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  y[i] = i;  // <- here
  if (!right) y[i] += y[(i + 64) % 256];  // <- here
}

// Two threads write one address: even the same value is an error.
template <bool right>
__global__ void two_threads_write_one_address(float* y) {
  y[right ? threadIdx.x : threadIdx.x / 2] = 1;  // <- here
}

// Bytes of one word have different writers, and are judged each by its own.
template <bool right>
__global__ void race_of_a_byte(float* y) {
  __shared__ unsigned char bytes[64];
  bytes[threadIdx.x] = threadIdx.x;  // <- here
  if (right) __syncwarp();
  y[threadIdx.x] = bytes[threadIdx.x / 4 * 4];  // <- here
}

// Lane 3 meets lanes 1 and 2, which have read what it writes; lane 0 has read it too.
template <bool right>
__global__ void write_after_only_some_have_read(float* y) {
  __shared__ float value;
  if (threadIdx.x == 0) value = 1;
  __syncthreads();
  if (threadIdx.x < 3) y[threadIdx.x] = value;  // <- here
  if (threadIdx.x < 4 && (right || threadIdx.x > 0)) {
    __syncwarp(right ? 15u : 14u);
    if (threadIdx.x == 1) y[3] = value;
    __syncwarp(right ? 15u : 14u);
    if (threadIdx.x == 3) value = 2;  // <- here
  }
}

template <bool right>
__global__ void barrier_in_a_branch(const float* x, float* y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  if (right || threadIdx.x < 32) __syncthreads();  // <- here
  y[threadIdx.x] = tile[right ? threadIdx.x ^ 1 : threadIdx.x];
}

template <bool right>
__global__ void barriers_in_both_branches(float* y) {
  if (right || threadIdx.x < 32) {
    __syncthreads();  // <- here
  } else {
    __syncthreads();  // <- here
  }
  y[threadIdx.x] = 1;
}

// n = 50: the threads beyond it leave, and the others wait for them.
template <bool right>
__global__ void return_before_a_barrier(float* y, int n) {
  if (!right && threadIdx.x >= n) return;
  __syncthreads();  // <- here
  if (threadIdx.x < n) y[threadIdx.x] = 1;
}

template <bool right>
__global__ void division_by_zero(const float* x, float* y, int n) {
  y[threadIdx.x] = x[n / (right ? threadIdx.x + 1 : threadIdx.x % 2)];  // <- here
}

template <bool right>
__global__ void off_by_one_read(const float* x, float* y, int n) {
  for (int i = threadIdx.x; i < n; i += 64)
    y[i] = x[i] + (right ? (i + 1 < n ? x[i + 1] : 0) : x[i + 1]);  // <- here
}

template <bool right>
__global__ void one_before_the_start(const float* x, float* y) {
  const int i = threadIdx.x;
  y[i] = x[i] - (right && i == 0 ? 0 : x[i - 1]);  // <- here
}

template <bool right>
__global__ void off_by_one_write(float* y, int n) {
  for (int i = threadIdx.x; i < n + !right; i += 64) y[i] = 1;  // <- here
}

template <bool right>
__global__ void index_beyond_a_shared_array(const float* x, float* y) {
  __shared__ float tile[2][32];
  tile[threadIdx.x / 32][threadIdx.x % 32 + !right] = x[threadIdx.x];  // <- here
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x / 32][threadIdx.x % 32];
}

// The same by way of a pointer, which knows no end; another array lies behind.
template <bool right>
__global__ void pointer_past_a_shared_array(const float* x, float* y) {
  __shared__ float tile[64], next[64];
  next[threadIdx.x] = 0;
  float* p = tile;
  p[threadIdx.x + !right] = x[threadIdx.x];  // <- here
  __syncthreads();
  y[threadIdx.x] = p[threadIdx.x] + next[threadIdx.x];
}

// 48 KB is what a kernel may declare, however many arrays it is in.
template <bool right>
__global__ void too_much_static_shared_memory(const float* x, float* y) {
  __shared__ float tile[8000], next[right ? 4000 : 8000];
  tile[threadIdx.x] = x[threadIdx.x];
  next[threadIdx.x] = x[threadIdx.x];  // <- here
  y[threadIdx.x] = tile[threadIdx.x] + next[threadIdx.x];
}

// 227 KB of dynamic shared memory: all that a block of an sm_90 may have.
template <bool right>
__global__ void static_on_top_of_dynamic_shared_memory(const float* x, float* y) {
  DYNAMIC_SHARED(float, tile);
  __shared__ float next[64];
  tile[threadIdx.x] = x[threadIdx.x];
  if (!right) next[threadIdx.x] = x[threadIdx.x];  // <- here
  y[threadIdx.x] = tile[threadIdx.x];
}

// 256 bytes of dynamic shared memory: 64 floats.
template <bool right>
__global__ void beyond_dynamic_shared_memory(const float* x, float* y) {
  DYNAMIC_SHARED(float, tile);
  tile[threadIdx.x + !right] = x[threadIdx.x];  // <- here
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x + !right];
}

// Only half of the tile is filled.
template <bool right>
__global__ void unwritten_shared_memory(const float* x, float* y) {
  __shared__ float tile[64];
  if (right || threadIdx.x < 32) tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];  // <- here
}

// Of every four bytes one is missing.
template <bool right>
__global__ void unwritten_byte(float* y) {
  __shared__ unsigned char bytes[64];
  if (right || threadIdx.x % 4 < 3) bytes[threadIdx.x] = threadIdx.x;
  __syncthreads();
  y[threadIdx.x] = bytes[63 - threadIdx.x];  // <- here
}

// The tile of the block before is gone. (Four blocks; the first one writes.)
template <bool right>
__global__ void shared_memory_of_another_block(float* y) {
  __shared__ float tile[64];
  if (right || blockIdx.x == 0) tile[threadIdx.x] = 1;
  __syncthreads();
  y[blockIdx.x * 64 + threadIdx.x] = tile[threadIdx.x];  // <- here
}

// y is undefined before the launch.
template <bool right>
__global__ void adds_to_an_output(float* y) {
  if (right) y[threadIdx.x] = 0;
  y[threadIdx.x] += 1;  // <- here
}

// Every other element of y, which is to be written whole.
template <bool right>
__global__ void output_not_wholly_written(float* y) {
  if (right || threadIdx.x % 2) y[threadIdx.x] = 1;
}

// x + 1 is not on a 16-byte boundary.
template <bool right>
__global__ void misaligned_float4(const float* x, float* y) {
  float v[4];
  load(v, x + 4 * threadIdx.x + !right);  // <- here
  y[threadIdx.x] = v[0] + v[1] + v[2] + v[3];
}

// Two groups are under way and the older one is waited for; the younger one is read.
template <bool right>
__global__ void wait_for_too_few_groups(const float* x, float* y) {
  __shared__ float tile[2][64];
  for (int stage = 0; stage < 2; ++stage) {
    cp_async<4>(&tile[stage][threadIdx.x], x + 64 * stage + threadIdx.x, true);
    cp_async_commit();
  }
  cp_async_wait<right ? 0 : 1>();
  __syncthreads();
  y[threadIdx.x] = tile[1][63 - threadIdx.x];  // <- here
}

// A copy that was never committed belongs to no group, and no wait covers it.
template <bool right>
__global__ void copy_without_commit(const float* x, float* y) {
  __shared__ float tile[64];
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x, true);
  if (right) cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];  // <- here
}

// A thread waits for its own copies only.
template <bool right>
__global__ void wait_without_barrier(const float* x, float* y) {
  __shared__ float tile[64];
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x, true);
  cp_async_commit();
  cp_async_wait<0>();
  if (right) __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];  // <- here
}

// Two stages; the copy of tile i + 2 must not start before all have read tile i.
template <bool right>
__global__ void pipeline_without_second_barrier(const float* x, float* y) {
  __shared__ float tile[2][64];
  for (int i = -2; i < 8; ++i) {
    if (i >= 0) {
      cp_async_wait<1>();
      __syncthreads();
      y[64 * i + threadIdx.x] = tile[i % 2][63 - threadIdx.x];  // <- here
      if (right) __syncthreads();
    }
    const int next = i + 2;
    const float* const from = x + 64 * next + threadIdx.x;
    if (next < 8) cp_async<4>(&tile[next % 2][threadIdx.x], from, true);  // <- here
    cp_async_commit();
  }
}

template <bool right>
__global__ void misaligned_copy(const float* x, float* y) {
  __shared__ __align__(16) float tile[4 * 64];
  cp_async<16>(&tile[4 * threadIdx.x], x + 4 * threadIdx.x + !right, true);  // <- here
  cp_async_commit();
  cp_async_wait<0>();
  y[threadIdx.x] = tile[4 * threadIdx.x];
}

// A copy reads its source when it likes, until it is waited for.
template <bool right>
__global__ void source_overwritten_before_the_wait(float* x, float* y) {
  __shared__ float tile[64];
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x, true);
  cp_async_commit();
  if (right) cp_async_wait<0>();
  x[threadIdx.x] = 0;  // <- here
  cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x];
}

// The barrier orders the copy's beginning before the write, but not its end.
template <bool right>
__global__ void source_overwritten_by_another_thread(float* x, float* y) {
  __shared__ float tile[64];
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x, true);  // <- here
  cp_async_commit();
  if (right) cp_async_wait<0>();
  __syncthreads();
  x[threadIdx.x ^ 1] = 0;  // <- here
  cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x];
}

// The same where no wait ever comes: the copy ends with its thread.
template <bool right>
__global__ void source_of_a_copy_that_nobody_waits_for(float* x, float* y) {
  __shared__ float tile[64];
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x, true);  // <- here
  __syncthreads();
  if (!right) x[threadIdx.x ^ 1] = 0;  // <- here
  y[threadIdx.x] = 1;
}

template <bool right>
__global__ void copy_within_shared_memory(const float* x, float* y) {
  __shared__ float tile[64], next[64];
  next[threadIdx.x] = x[threadIdx.x];
  cp_async<4>(&tile[threadIdx.x], right ? x + threadIdx.x : &next[threadIdx.x], true);  // <- here
  cp_async_commit();
  cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x];
}

template <bool right>
__global__ void copy_into_global_memory(const float* x, float* y) {
  __shared__ float tile[64];
  cp_async<4>(right ? &tile[threadIdx.x] : &y[threadIdx.x], x + threadIdx.x, true);  // <- here
  cp_async_commit();
  cp_async_wait<0>();
  if (right) y[threadIdx.x] = tile[threadIdx.x];
}

// 32 threads; the rows of ldmatrix begin at multiples of 16 bytes,
template <bool right>
__global__ void misaligned_row(const float* x, float* y) {
  __shared__ __align__(16) float tile[5 * 32];
  for (int i = threadIdx.x; i < 160; i += 32) tile[i] = x[i];
  __syncwarp();
  uint32_t r[4];
  ldmatrix_x4(r, tile + (right ? 4 : 5) * threadIdx.x);  // <- here
  y[threadIdx.x] = __uint_as_float(r[0]);
}

// and in shared memory. 32 threads.
template <bool right>
__global__ void row_in_global_memory(const float* x, float* y) {
  __shared__ __align__(16) float tile[4 * 32];
  for (int i = threadIdx.x; i < 128; i += 32) tile[i] = x[i];
  __syncwarp();
  uint32_t r[4];
  ldmatrix_x4(r, (right ? tile : x) + 4 * threadIdx.x);  // <- here
  y[threadIdx.x] = __uint_as_float(r[0]);
}

// 32 threads.
template <bool right>
__global__ void unrounded_operand(const float* x, float* y) {
  const uint32_t bits = right ? to_tf32(x[threadIdx.x]) : __float_as_uint(x[threadIdx.x]);
  const uint32_t a[4] = {bits, bits, bits, bits}, b[2] = {bits, bits};
  float d[4] = {};
  mma_tf32(d, a, b);  // <- here
  y[threadIdx.x] = d[0];
}

// 32 threads: half of a warp has no tensor cores.
template <bool right>
__global__ void product_of_half_a_warp(const float* x, float* y) {
  if (!right && threadIdx.x >= 16) return;
  const uint32_t bits = to_tf32(x[threadIdx.x]);
  const uint32_t a[4] = {bits, bits, bits, bits};
  const uint32_t b[2] = {bits, bits};
  float d[4] = {};
  mma_tf32(d, a, b);  // <- here
  y[threadIdx.x] = d[0];
}

// Only even lanes are in the mask.
template <bool right>
__global__ void intrinsic_outside_its_mask(const float* x, float* y) {
  y[threadIdx.x] = __shfl_xor_sync(right ? ALL_LANES : 0x55555555u, x[threadIdx.x], 2);  // <- here
}

// The odd lanes of the mask are somewhere else.
template <bool right>
__global__ void shuffle_in_a_branch(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (right || threadIdx.x % 2 == 0) v += __shfl_xor_sync(ALL_LANES, v, 2);  // <- here
  __syncthreads();
  y[threadIdx.x] = v;
}

// Lanes of one mask meet in two different intrinsics.
template <bool right>
__global__ void shuffles_in_both_branches(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (right || threadIdx.x % 2 == 0)
    v += __shfl_xor_sync(ALL_LANES, v, 2);  // <- here
  else
    v -= __shfl_xor_sync(ALL_LANES, v, 2);  // <- here
  y[threadIdx.x] = v;
}

// The lower half of the warp takes part, and lane 0 asks for a value of the upper half.
template <bool right>
__global__ void shuffle_from_a_lane_outside(const float* x, float* y) {
  if (threadIdx.x % 32 >= 16) return;
  y[threadIdx.x] = __shfl_sync(0xffffu, x[threadIdx.x], right ? 15 : 16);  // <- here
}
