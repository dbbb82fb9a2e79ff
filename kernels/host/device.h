// CUDA's words for g++: with this header in front, a .cu file is C++ that runs thread by thread
// on a CPU.
//
// A __shared__ variable is thread_local: the library's thread-local block then holds the shared
// memory of its kernels and nothing else, which is how the checks know it. threadIdx and its
// siblings are constants to a kernel; the scheduler sets them before it resumes a thread.

#pragma once
#include <math.h>
#include <stdint.h>
#include <utility>

#define __global__ __attribute__((noinline))
#define __device__ __attribute__((always_inline))  // so that a message can name the line of the kernel
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static thread_local
#define __align__(bytes) __attribute__((aligned(bytes)))

struct uint3 { unsigned x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
__device__ inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
__device__ inline double2 make_double2(double x, double y) { return {x, y}; }

__attribute__((visibility("hidden"))) extern const uint3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

namespace host {  // runtime.cpp has these
constexpr int WARP = 32, SLOT = 64;
struct Entry {                  // of a kernel; sizes: of its parameters, then 0; threads: its launch bounds
  void (*run)(void** arguments);
  const int* sizes;
  int threads;
};
extern const Entry entries[];   // the library's kernels: minigan/backends/host/compiler.py writes them
void barrier();
void sync_warp(unsigned mask);
/// Each lane in `mask` publishes `bytes` <= 64 bytes; 32 slots of 64 bytes, valid until this lane's next warp intrinsic.
const void* exchange(unsigned mask, const void* mine, int bytes, unsigned* took_part = nullptr);
unsigned lane();
void* dynamic_shared();
bool in_global(const void* pointer);  // does it point into one of the launch's arrays?
void copy_async(void* shared, const void* global, int bytes, bool valid);
void commit_group();
void wait_group(int pending);   // until at most so many of this thread's groups are under way
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// The value of lane `source`, or the lane's own where there is no such lane.
template <typename T> __device__ T shuffle(unsigned mask, T value, int source) {
  unsigned lanes;
  const char* slots = static_cast<const char*>(exchange(mask, &value, sizeof value, &lanes));
  if (source < 0 || source >= WARP) return value;
  if (!(lanes >> source & 1)) fail("a shuffle reads lane %d, which takes no part in it", source);
  return *reinterpret_cast<const T*>(slots + source * SLOT);
}
}  // namespace host

// ---- barriers and warp intrinsics
// -----------------------------------------------------------------------------------

__device__ inline void __syncthreads() { host::barrier(); }
__device__ inline void __syncwarp(unsigned mask = ~0u) { host::sync_warp(mask); }

template <typename T> __device__ T __shfl_sync(unsigned mask, T value, int source) {
  return host::shuffle(mask, value, source & 31);
}
template <typename T> __device__ T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return host::shuffle(mask, value, int(host::lane()) ^ (bits & 31));
}
template <typename T> __device__ T __shfl_down_sync(unsigned mask, T value, unsigned delta) {
  return host::shuffle(mask, value, int(host::lane() + (delta & 31)));
}
template <typename T> __device__ T __shfl_up_sync(unsigned mask, T value, unsigned delta) {
  return host::shuffle(mask, value, int(host::lane() - (delta & 31)));
}
__device__ inline unsigned __ballot_sync(unsigned mask, bool predicate) {
  unsigned lanes, votes = 0;
  const char* slots = static_cast<const char*>(host::exchange(mask, &predicate, 1, &lanes));
  for (int lane = 0; lane < warpSize; ++lane) votes |= unsigned(lanes >> lane & 1 && slots[lane * host::SLOT]) << lane;
  return votes;
}
__device__ inline int __any_sync(unsigned mask, bool predicate) { return __ballot_sync(mask, predicate) != 0; }
__device__ inline int __all_sync(unsigned mask, bool predicate) { return __ballot_sync(mask, !predicate) == 0; }

// ---- arithmetic: <math.h> has the rest
// ------------------------------------------------------------------------------

template <typename A, typename B> __device__ constexpr auto max(A a, B b) -> decltype(a + b) { return a < b ? b : a; }
template <typename A, typename B> __device__ constexpr auto min(A a, B b) -> decltype(a + b) { return b < a ? b : a; }

__device__ inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
__device__ inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }

// ---- the way in
// -------------------------------------------------------------------------------------------------------

namespace host {
/// run<kernel> unpacks an array of pointers to the arguments, as cuLaunchKernel takes them.
template <typename... P> constexpr auto indices(void (*)(P...)) { return std::index_sequence_for<P...>(); }
template <typename... P, size_t... i>
__attribute__((no_sanitize("thread"))) void unpack(void (*kernel)(P...), void** arguments, std::index_sequence<i...>) {
  kernel(*static_cast<P*>(arguments[i])...);
}
template <auto kernel> void run(void** arguments) { unpack(kernel, arguments, indices(kernel)); }
template <typename... P>
constexpr int sizes[] = {std::is_pointer_v<P> ? -int(sizeof(std::remove_pointer_t<P>)) : int(sizeof(P))..., 0};
constexpr int bound(int threads, int = 0, int = 0) { return threads; }  // of __launch_bounds__
template <typename... P> constexpr const int* sizes_of(void (*)(P...)) { return sizes<P...>; }
}  // namespace host
