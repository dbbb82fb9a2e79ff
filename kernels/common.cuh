/* What every kernel shares: loads and stores of 16 bytes, sums over a warp, and the few machine
   instructions that CUDA C++ has no name for: asynchronous copies into shared memory, ldmatrix
   and mma.

   Inline PTX stands in this file and nowhere else. Beside each piece stands its twin in plain
   C++, so that the same kernels also run on a CPU, thread by thread, with every access checked
   (host/device.h). */
#pragma once

#ifdef MINIGAN_HOST
#include "host/device.h"
#else
typedef unsigned int uint32_t;      // NVRTC has no standard headers
#endif

constexpr unsigned WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

// a / b, rounded up.
__host__ __device__ constexpr long long ceil_div(long long a, long long b) {
    return (a + b - 1) / b;
}

// T* name points to the block's dynamic shared memory, which is aligned to 16 bytes.
#ifdef MINIGAN_HOST
#define DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(host::dynamic_shared())
#else
#define DYNAMIC_SHARED(T, name)                                   \
    extern __shared__ __align__(16) unsigned char name##_bytes[]; \
    T* name = reinterpret_cast<T*>(name##_bytes)
#endif

// ---- loads and stores of 16 bytes --------------------------------------------------------------
// Four floats or two doubles travel in one instruction. The address must be a multiple of 16 bytes.

template <typename T> constexpr int CHUNK = 16 / sizeof(T);      // how many numbers 16 bytes hold

__device__ __forceinline__ void load(float (&pack)[4], const float* from) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    pack[0] = four.x;
    pack[1] = four.y;
    pack[2] = four.z;
    pack[3] = four.w;
}

__device__ __forceinline__ void load(double (&pack)[2], const double* from) {
    const double2 two = *reinterpret_cast<const double2*>(from);
    pack[0] = two.x;
    pack[1] = two.y;
}

__device__ __forceinline__ void store(float* to, const float (&pack)[4]) {
    *reinterpret_cast<float4*>(to) = make_float4(pack[0], pack[1], pack[2], pack[3]);
}

__device__ __forceinline__ void store(double* to, const double (&pack)[2]) {
    *reinterpret_cast<double2*>(to) = make_double2(pack[0], pack[1]);
}

// A single number: for arrays whose address or length does not allow 16 bytes.
template <typename T> __device__ __forceinline__ void load(T (&pack)[1], const T* from) {
    pack[0] = *from;
}

template <typename T> __device__ __forceinline__ void store(T* to, const T (&pack)[1]) {
    *to = pack[0];
}

// ---- sums over the lanes of a warp, and over a block -------------------------------------------

// The sum of x over the 32 lanes, in every lane: five exchanges, each with the lane whose number
// differs in one bit. Both partners add the same two numbers, so all lanes hold the same bits.
template <typename T> __device__ __forceinline__ T warp_sum(T x) {
    for (int bit = WARP / 2; bit > 0; bit /= 2) x += __shfl_xor_sync(ALL_LANES, x, bit);
    return x;
}

// The sum of x over a block of THREADS threads (a multiple of 32), in every thread. A kernel may
// call this once only, because no barrier protects of_warp from a second call.
template <int THREADS, typename T> __device__ T block_sum(T x) {
    __shared__ T of_warp[THREADS / WARP];
    x = warp_sum(x);
    if (threadIdx.x % WARP == 0) of_warp[threadIdx.x / WARP] = x;
    __syncthreads();
    T total = 0;
    for (int warp = 0; warp < THREADS / WARP; ++warp) total += of_warp[warp];
    return total;
}

// ---- asynchronous copies (sm_80) ---------------------------------------------------------------

// cp.async moves BYTES (4, 8 or 16) from global to shared memory without passing through
// registers, while the thread goes on. Where valid is false it writes zeros and does not read
// `global`, wherever that points.
template <int BYTES>
__device__ __forceinline__ void cp_async(void* shared, const void* global, bool valid) {
#ifdef MINIGAN_HOST
    host::copy_async(shared, global, BYTES, valid);
#else
    const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
    const int size = valid ? BYTES : 0;
    if constexpr (BYTES == 16)      // .cg: cached in L2 only, because L1 would not be of use
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                     :: "r"(to), "l"(global), "r"(size) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                     :: "r"(to), "l"(global), "n"(BYTES), "r"(size) : "memory");
#endif
}

// The copies since the last commit become a group.
__device__ __forceinline__ void cp_async_commit() {
#ifdef MINIGAN_HOST
    host::commit_group();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most GROUPS of this thread's groups are still under way. Other threads may read
// the data only after a barrier that follows.
template <int GROUPS> __device__ __forceinline__ void cp_async_wait() {
#ifdef MINIGAN_HOST
    host::wait_group(GROUPS);
#else
    asm volatile("cp.async.wait_group %0;" :: "n"(GROUPS) : "memory");
#endif
}

#ifdef MINIGAN_HOST
namespace host {
// exchange() for what only a whole warp can do: no lane may have returned.
__device__ inline const char* exchange_all(const char* what, const void* mine, int bytes) {
    unsigned lanes;
    const void* slots = exchange(ALL_LANES, mine, bytes, &lanes);
    if (lanes != ALL_LANES)
        fail("%s: only the lanes %#x are there, it takes all of a warp", what, lanes);
    return static_cast<const char*>(slots);
}
}  // namespace host
#endif

// ---- tensor cores (sm_80) ----------------------------------------------------------------------

// The bits of the nearest TF32 number, whose mantissa has 10 bits. Ties go away from zero; NaN
// stays NaN. Half a unit of the tenth bit is 2^-11 times x's power of two: it is added, and the
// lower bits are cut off. This takes two instructions, where cvt.rna.tf32, which does the same,
// becomes three and a move. The cut costs nothing: the compiler knows that mma ignores those bits.
__device__ __forceinline__ uint32_t to_tf32(float x) {
    const uint32_t exponent = __float_as_uint(x) & 0xff800000u;     // and the sign
    const float power = __uint_as_float(exponent);                  // 0 and infinity stay
    return __float_as_uint(fmaf(power, 1.0f / 2048, x)) & 0xffffe000u;
}

// Loads four matrices of 8 rows x 16 bytes (8 x 4 floats) from shared memory. Lane 8 i + j gives
// the address of row j of matrix i. r[i] receives float lane % 4 of row lane / 4 of matrix i:
// exactly where mma wants its operands.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
#ifdef MINIGAN_HOST
    if (size_t(row) % 16 || host::in_global(row))
        host::fail("ldmatrix_x4: a row at %p, expected shared memory and a multiple of 16 bytes",
                   row);
    const char* slots = host::exchange_all("ldmatrix_x4", &row, sizeof row);
    const int lane = threadIdx.x % WARP;
    const uint32_t* rows[4];
    for (int i = 0; i < 4; ++i) {
        const char* slot = slots + host::SLOT * (8 * i + lane / 4);
        rows[i] = *reinterpret_cast<const uint32_t* const*>(slot);
    }
    for (int i = 0; i < 4; ++i) r[i] = rows[i][lane % 4];
#else
    const uint32_t from = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from) : "memory");
#endif
}

// d += a b by a whole warp: a is 16 x 8, b 8 x 8, d 16 x 8; a and b are TF32 bits (to_tf32). With
// g = lane / 4 and t = lane % 4, a lane holds
//   a[0] = a(g, t)   a[1] = a(g + 8, t)   a[2] = a(g, t + 4)   a[3] = a(g + 8, t + 4)
//   b[0] = b(t, g)   b[1] = b(t + 4, g)
//   d[0] = d(g, 2t)  d[1] = d(g, 2t + 1)  d[2] = d(g + 8, 2t)  d[3] = d(g + 8, 2t + 1)
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
#ifdef MINIGAN_HOST
    const uint32_t mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    for (uint32_t bits : mine)
        if (bits & 0x1fffu)
            host::fail("mma_tf32: the operand 0x%08x was not rounded to TF32 by to_tf32", bits);
    const char* slots = host::exchange_all("mma_tf32", mine, sizeof mine);
    const auto operand = [slots](int lane, int i) {
        return reinterpret_cast<const float*>(slots + host::SLOT * lane)[i];
    };
    const int g = threadIdx.x % WARP / 4;
    const int t = threadIdx.x % 4;
    for (int i = 0; i < 4; ++i) {       // d[i] is in column 2t + i % 2 and row g, or g + 8
        const int column = 2 * t + i % 2;
        for (int k = 0; k < 8; ++k) {
            const float from_a = operand(4 * g + k % 4, i / 2 + k / 4 * 2);
            const float from_b = operand(4 * column + k % 4, 4 + k / 4);
            d[i] += from_a * from_b;
        }
    }
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
