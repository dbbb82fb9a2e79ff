/* A thread of a block, the clock of a launch, and what Python is told: what the scheduler
   (runtime.cpp) and the checks (memory.cpp) share.

   The clock ticks at every launch, block, barrier and __syncwarp. An access is stamped with the
   tick of its thread's last synchronisation. Comparing two stamps tells whether a synchronisation
   stands between two accesses. */
#pragma once
#include <vector>
#include "device.h"
#if defined(__x86_64__)
using Context = void*;          // the stack pointer; the registers lie on the stack
#else
#include <ucontext.h>
using Context = ucontext_t;
#endif

// The structures of minigan/backends/host/machine.py.
struct Array {                  // memory that a launch may touch
    uintptr_t begin;            // of a __shared__ array: from the start of the thread-local block
    size_t bytes;
    int argument;               // its place among the arguments; -1 for a __shared__ array
    int write_only;             // undefined before the launch, wholly written after it
};
struct Launch {
    uint3 grid, block;
    unsigned shared;            // bytes of dynamic shared memory
    unsigned shared_most;       // bytes of shared memory that a block may have in all
    unsigned counting;          // whether to keep the requests
    unsigned unused;
    uint64_t seed;
    const Array* arrays;
    size_t array_count;
};
struct Request {                // one lane's access, for the counts of bank conflicts and sectors
    uint64_t offset;            // in its array, or in shared memory
    unsigned interval;          // between which barriers
    unsigned pc, thread;
    uint16_t bytes, global;
};
struct Report {
    char kind[32];              // empty if nothing was wrong
    char message[512];          // a place in the code as @hex; threads and blocks as numbers
    const Request* requests;    // valid until the library's next launch
    size_t request_count;
};

namespace host {

constexpr int MAX_THREADS = 1024;
constexpr size_t STACK = 128 << 10;     // bytes for a thread's registers and local memory

struct Copy {                   // a cp.async under way
    uintptr_t to, from;
    int bytes;
    int group;
    unsigned pc;
    bool valid;                 // otherwise it writes zeros
    bool landed;
};

struct Thread {
    enum State { READY, AT_BARRIER, IN_WARP, RETURNED };

    unsigned number;            // in its block: x fastest, then y, then z
    uintptr_t stack;
    Context context;
    State state;
    unsigned pc;                // where it waits

    // In a warp intrinsic:
    unsigned mask;              // for which lanes it waits
    const void* mine;           // what it publishes to them
    int bytes;
    unsigned met;               // which lanes came

    unsigned time;              // tick of its last synchronisation
    unsigned seen[WARP];        // this thread knows what lane l did before tick seen[l]
    std::vector<Copy> copies;
    int groups;                 // commit groups so far
};

struct Clock {
    unsigned now;
    unsigned launch, block, barrier;    // when the current ones began
};

extern Thread* me;              // the thread that runs
extern Clock ticks;

// memory.cpp
void begin_launch(const Launch& launch);
void end_launch(Report& report);
void access(uintptr_t address, unsigned bytes, bool write, unsigned pc);
void read_source(const Copy& copy);         // an ordinary read at this moment
void mark(const Copy& copy, bool pending);  // pending: nobody may touch what it writes
unsigned offset_in_library(const void* return_address);

// runtime.cpp
unsigned block_at(unsigned tick);
void report(const char* kind, const char* format, ...) __attribute__((format(printf, 2, 3)));
[[noreturn]] void give_up();                // leave the kernel for good

#define CALLER host::offset_in_library(__builtin_return_address(0))

// Reports what the running thread does wrong at pc, and leaves the kernel.
#define STOP(kind, pc, format, ...)                                                             \
    do {                                                                                        \
        host::report(kind, "@%x: thread %u of block %u " format, pc, host::me->number,          \
                     host::block_at(host::me->time), ##__VA_ARGS__);                            \
        host::give_up();                                                                        \
    } while (false)

}  // namespace host
