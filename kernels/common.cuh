/* What every kernel shares: 16 bytes at a time, sums over a warp, and the few machine
   instructions that CUDA C++ has no name for: asynchronous copies into shared memory, ldmatrix
   and mma.

   The one idea: inline PTX lives here and nowhere else, and each piece has its twin in plain C++
   beside it, so that the same kernels run on a CPU, thread by thread, with every access checked
   (host/device.h). */
#pragma once

#ifdef MINIGAN_HOST
#include "host/device.h"
#else
typedef unsigned int uint32_t;      // NVRTC has no standard headers
#endif

constexpr unsigned WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

__host__ __device__ constexpr long long ceil_div(long long a, long long b) { return (a + b - 1) / b; }

// T* name points to the block's dynamic shared memory, aligned to 16 bytes.
#ifdef MINIGAN_HOST
#define DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(host::dynamic_shared())
#else
#define DYNAMIC_SHARED(T, name)                               \
    extern __shared__ __align__(16) unsigned char name##_bytes[]; \
    T* name = reinterpret_cast<T*>(name##_bytes)
#endif

// ---- 16 bytes at a time
// ---------------------------------------------------------------------------------------------
// Four floats or two doubles move in one instruction; the address must be a multiple of 16 bytes.

template <typename T> constexpr int CHUNK = 16 / sizeof(T);      // elements in 16 bytes

__device__ __forceinline__ void load(float (&v)[4], const float* p) {
    const float4 f = *reinterpret_cast<const float4*>(p);
    v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
}

__device__ __forceinline__ void load(double (&v)[2], const double* p) {
    const double2 f = *reinterpret_cast<const double2*>(p);
    v[0] = f.x, v[1] = f.y;
}

__device__ __forceinline__ void store(float* p, const float (&v)[4]) {
    *reinterpret_cast<float4*>(p) = make_float4(v[0], v[1], v[2], v[3]);
}

__device__ __forceinline__ void store(double* p, const double (&v)[2]) {
    *reinterpret_cast<double2*>(p) = make_double2(v[0], v[1]);
}

template <typename T> __device__ __forceinline__ void load(T (&v)[1], const T* p) { v[0] = *p; }
template <typename T> __device__ __forceinline__ void store(T* p, const T (&v)[1]) { *p = v[0]; }

// ---- sums over the lanes of a warp, and over a block
// ----------------------------------------------------------------

// The sum of v over the 32 lanes, in every lane: five exchanges with the lane whose number
// differs in one bit. Both partners add the same two numbers, so all lanes hold the same bits.
template <typename T> __device__ __forceinline__ T warp_sum(T v) {
    for (int bit = WARP / 2; bit > 0; bit /= 2) v += __shfl_xor_sync(ALL_LANES, v, bit);
    return v;
}

// The sum of v over a block of THREADS (a multiple of 32) threads, in every thread. For one call
// per kernel: no barrier guards of_warp from a second.
template <int THREADS, typename T> __device__ T block_sum(T v) {
    __shared__ T of_warp[THREADS / WARP];
    v = warp_sum(v);
    if (threadIdx.x % WARP == 0) of_warp[threadIdx.x / WARP] = v;
    __syncthreads();
    T total = 0;
    for (int warp = 0; warp < THREADS / WARP; ++warp) total += of_warp[warp];
    return total;
}

// ---- asynchronous copies (sm_80)
// ------------------------------------------------------------------------------------ cp.async
// moves BYTES (4, 8 or 16) from global to shared memory past the registers, while the thread goes
// on. Copies since the last commit are a group; wait<N> returns when at most N of this thread's
// groups are still under way. Other threads may read what came only behind a barrier after that.
// Where valid is false, zeros are written and `global`, whatever it is, is not read.

template <int BYTES> __device__ __forceinline__ void cp_async(void* shared, const void* global, bool valid) {
#ifdef MINIGAN_HOST
    host::copy_async(shared, global, BYTES, valid);
#else
    const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
    const int size = valid ? BYTES : 0;
    if constexpr (BYTES == 16)      // .cg: through the second-level cache only, the first would be of no use
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(to), "l"(global), "r"(size) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                     :: "r"(to), "l"(global), "n"(BYTES), "r"(size) : "memory");
#endif
}

__device__ __forceinline__ void cp_async_commit() {
#ifdef MINIGAN_HOST
    host::commit_group();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

template <int GROUPS> __device__ __forceinline__ void cp_async_wait() {
#ifdef MINIGAN_HOST
    host::wait_group(GROUPS);
#else
    asm volatile("cp.async.wait_group %0;" :: "n"(GROUPS) : "memory");
#endif
}

#ifdef MINIGAN_HOST
namespace host {
// exchange for what only a whole warp can do: lanes that have returned may not be missing.
__device__ inline const char* exchange_all(const char* what, const void* mine, int bytes) {
    unsigned lanes;
    const void* slots = exchange(ALL_LANES, mine, bytes, &lanes);
    if (lanes != ALL_LANES) fail("%s: only the lanes %#x are there, it takes all of a warp", what, lanes);
    return static_cast<const char*>(slots);
}
}  // namespace host
#endif

// ---- tensor cores (sm_80)
// -------------------------------------------------------------------------------------------

// The bits of the nearest TF32 number, whose mantissa has 10 bits; ties go away from zero, NaN
// stays NaN. Half a unit of the tenth bit is 2^-11 of x's power of two: it is added, and the rest
// cut off. Two instructions; cvt.rna.tf32, which does the same, becomes three and a move. The cut
// costs nothing: the compiler knows that mma ignores those bits.
__device__ __forceinline__ uint32_t to_tf32(float x) {
    const float power = __uint_as_float(__float_as_uint(x) & 0xff800000u);      // with x's sign; 0, infinity stay
    return __float_as_uint(fmaf(power, 1.0f / 2048, x)) & 0xffffe000u;
}

// Four matrices of 8 rows x 16 bytes (8x4 floats). Lane 8i + j gives the address of row j of
// matrix i; r[i] receives row lane / 4, float lane % 4 of matrix i: the very places where mma
// wants its operands.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
#ifdef MINIGAN_HOST
    if (size_t(row) % 16 || host::in_global(row))
        host::fail("ldmatrix_x4: a row at %p, expected shared memory and a multiple of 16 bytes", row);
    const char* slots = host::exchange_all("ldmatrix_x4", &row, sizeof row);
    const int lane = threadIdx.x % WARP;
    const uint32_t* rows[4];
    for (int i = 0; i < 4; ++i) rows[i] = *reinterpret_cast<const uint32_t* const*>(slots + 64 * (8 * i + lane / 4));
    for (int i = 0; i < 4; ++i) r[i] = rows[i][lane % 4];
#else
    const uint32_t from = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from) : "memory");
#endif
}

// d += a b on a whole warp: a is 16x8, b 8x8, d 16x8; a and b are TF32 bits (to_tf32). With g =
// lane / 4, t = lane % 4:
//   a[0] = a(g, t)   a[1] = a(g + 8, t)   a[2] = a(g, t + 4)   a[3] = a(g + 8, t + 4)
//   b[0] = b(t, g)   b[1] = b(t + 4, g)
//   d[0] = d(g, 2t)  d[1] = d(g, 2t + 1)  d[2] = d(g + 8, 2t)  d[3] = d(g + 8, 2t + 1)
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef MINIGAN_HOST
    const uint32_t mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    for (uint32_t bits : mine)
        if (bits & 0x1fffu) host::fail("mma_tf32: the operand 0x%08x was not rounded to TF32 by to_tf32", bits);
    const char* slots = host::exchange_all("mma_tf32", mine, sizeof mine);
    const auto operand = [slots](int lane, int i) { return reinterpret_cast<const float*>(slots + 64 * lane)[i]; };
    const int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
    for (int i = 0; i < 4; ++i)
        for (int k = 0; k < 8; ++k)
            d[i] += operand(4 * g + k % 4, i / 2 + k / 4 * 2) * operand(4 * (2 * t + i % 2) + k % 4, 4 + k / 4);
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
