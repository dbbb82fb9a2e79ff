/* CUDA's words for g++: with this header in front, a .cu file is C++ that runs thread by thread on
   a CPU.

   A __shared__ variable becomes thread_local: the library's thread-local block then holds the
   shared memory of its kernels and nothing else, which is how the checks know it. threadIdx and its
   siblings are constants to a kernel; the scheduler sets them before it resumes a thread. */
#pragma once
#include <math.h>
#include <stdint.h>
#include <utility>

#define __global__ __attribute__((noinline))
// inlined, so that a message names the line of the kernel
#define __device__ __attribute__((always_inline))
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

// ---- what runtime.cpp does for a kernel --------------------------------------------------------

namespace host {

constexpr int WARP = 32;
constexpr int SLOT = 64;        // bytes that a lane may publish to the others

struct Entry {                  // a kernel
    void (*run)(void** arguments);
    const int* sizes;           // of its parameters in bytes, then 0; see `sizes` below
    int threads;                // at most in a block: its launch bounds
};
extern const Entry entries[];   // the library's kernels, from minigan/backends/host/compiler.py

void barrier();
void sync_warp(unsigned mask);

/// Each lane in `mask` publishes `bytes` <= SLOT bytes. Returns 32 slots of SLOT bytes, which are
/// valid until this lane's next warp intrinsic; took_part receives the lanes that published.
const void* exchange(unsigned mask, const void* mine, int bytes, unsigned* took_part = nullptr);

unsigned lane();
void* dynamic_shared();
bool in_global(const void* pointer);    // whether it points into one of the launch's arrays
void copy_async(void* shared, const void* global, int bytes, bool valid);
void commit_group();
void wait_group(int pending);           // until at most this many of its groups are pending
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// The value of lane `source`, or the lane's own where there is no such lane.
template <typename T> __device__ T shuffle(unsigned mask, T value, int source) {
    unsigned lanes;
    const void* published = exchange(mask, &value, sizeof value, &lanes);
    if (source < 0 || source >= WARP) return value;
    const bool took_part = lanes >> source & 1;
    if (!took_part) fail("a shuffle reads lane %d, which takes no part in it", source);
    const char* slot = static_cast<const char*>(published) + source * SLOT;
    return *reinterpret_cast<const T*>(slot);
}

}  // namespace host

// ---- barriers and warp intrinsics --------------------------------------------------------------

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
    unsigned lanes;
    const char* slots = static_cast<const char*>(host::exchange(mask, &predicate, 1, &lanes));
    unsigned votes = 0;
    for (int lane = 0; lane < warpSize; ++lane) {
        const bool took_part = lanes >> lane & 1;
        if (took_part && slots[lane * host::SLOT]) votes |= 1u << lane;
    }
    return votes;
}
__device__ inline int __any_sync(unsigned mask, bool predicate) {
    return __ballot_sync(mask, predicate) != 0;
}
__device__ inline int __all_sync(unsigned mask, bool predicate) {
    return __ballot_sync(mask, !predicate) == 0;
}

// ---- arithmetic: <math.h> has the rest ---------------------------------------------------------

template <typename A, typename B> __device__ constexpr auto max(A a, B b) -> decltype(a + b) {
    return a < b ? b : a;
}
template <typename A, typename B> __device__ constexpr auto min(A a, B b) -> decltype(a + b) {
    return b < a ? b : a;
}

__device__ inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
__device__ inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }

// ---- how a launch calls a kernel ---------------------------------------------------------------

namespace host {

template <typename... P> constexpr auto indices(void (*)(P...)) {
    return std::index_sequence_for<P...>();
}
template <typename... P, size_t... i>
__attribute__((no_sanitize("thread"))) void unpack(void (*kernel)(P...), void** arguments,
                                                   std::index_sequence<i...>) {
    kernel(*static_cast<P*>(arguments[i])...);
}

/// run<kernel> takes an array of pointers to the arguments, as cuLaunchKernel does.
template <auto kernel> void run(void** arguments) { unpack(kernel, arguments, indices(kernel)); }

/// The size of a parameter in bytes; of a pointer, minus the size of what it points to.
template <typename P> constexpr int size_of() {
    if constexpr (std::is_pointer_v<P>)
        return -int(sizeof(std::remove_pointer_t<P>));
    else
        return int(sizeof(P));
}
template <typename... P> constexpr int sizes[] = {size_of<P>()..., 0};
template <typename... P> constexpr const int* sizes_of(void (*)(P...)) { return sizes<P...>; }

/// Of the arguments of __launch_bounds__, the number of threads.
constexpr int bound(int threads, int = 0, int = 0) { return threads; }

}  // namespace host
