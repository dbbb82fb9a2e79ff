// A thread of a block, the clock of a launch, and what Python is told of it: what the scheduler
// (runtime.cpp) and the checks (memory.cpp) share.
//
// The clock ticks at every launch, block, barrier and __syncwarp. An access is stamped with the
// tick of its thread's last synchronisation; comparing stamps tells whether anything stands
// between two accesses.

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
  uintptr_t begin;              // of a __shared__ array: from the start of the library's thread-local block
  size_t bytes;
  int argument;                 // its place among the arguments; -1 a __shared__ array
  int write_only;               // undefined before the launch, wholly written after it
};
struct Launch {
  uint3 grid, block;
  unsigned shared, shared_most; // bytes of dynamic shared memory; of all that a block may have
  unsigned counting, unused;    // whether to keep the requests
  uint64_t seed;
  const Array* arrays;
  size_t array_count;
};
struct Request {                // one lane's access, for the counts of bank conflicts and sectors
  uint64_t offset;              // in its array, or in shared memory
  unsigned interval, pc, thread;
  uint16_t bytes, global;
};
struct Report {                 // a place in the code stands in the message as @hex, a thread and a block as numbers
  char kind[32], message[512];
  const Request* requests;      // valid until the library's next launch
  size_t request_count;
};

namespace host {

constexpr int MAX_THREADS = 1024;
constexpr size_t STACK = 128 << 10;  // bytes of a fiber's stack: the thread's registers and local memory

struct Copy {                   // a cp.async under way
  uintptr_t to, from;
  int bytes, group;
  unsigned pc;
  bool valid, landed;           // an invalid one writes zeros
};

struct Thread {
  unsigned number;              // in its block: x fastest, then y, then z
  uintptr_t stack;
  Context context;
  enum { READY, AT_BARRIER, IN_WARP, RETURNED } state;
  unsigned pc, mask;            // where it waits, and for which lanes
  const void* mine;             // what it publishes to them
  int bytes;
  unsigned met;                 // the lanes that came
  unsigned time;                // tick of its last synchronisation
  unsigned seen[WARP];          // what lane l did before tick seen[l] lies before all that this thread does from now on
  std::vector<Copy> copies;
  int groups;                   // commit groups so far
};

struct Clock { unsigned now, launch, block, barrier; };  // the tick, and those at which the current ones began

extern Thread* me;              // the thread that runs
extern Clock ticks;

void begin_launch(const Launch& launch);  // memory.cpp
void end_launch(Report& report);
void access(uintptr_t address, unsigned bytes, bool write, unsigned pc);
void read_source(const Copy& copy);       // an ordinary read, of now
void mark(const Copy& copy, bool pending);  // nobody may touch what it writes; or: an ordinary write, of now
unsigned offset_in_library(const void* return_address);

unsigned block_at(unsigned tick);         // runtime.cpp
void report(const char* kind, const char* format, ...) __attribute__((format(printf, 2, 3)));
[[noreturn]] void give_up();              // leave the kernel for good
#define CALLER host::offset_in_library(__builtin_return_address(0))
#define STOP(kind, pc, format, ...)                                                                                \
  (host::report(kind, "@%x: thread %u of block %u " format, pc, host::me->number, host::block_at(host::me->time), \
                ##__VA_ARGS__), host::give_up())

}  // namespace host
