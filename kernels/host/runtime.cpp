// The scheduler: a block's threads are fibers, run one at a time in an order drawn from the seed.
// A fiber runs until it gives way: at __syncthreads, in a warp intrinsic that waits for other
// lanes, or at its end. When none can run, either all stand at the same barrier, which then
// opens, or the block has diverged, which is an error. An error writes the report and leaves
// every fiber where it is: the next launch starts them afresh.

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <algorithm>
#include "thread.h"

// What kernels know as constants: to a thread they are.
uint3 thread_index asm("threadIdx"), block_index asm("blockIdx"), block_size asm("blockDim"), grid_size asm("gridDim");

namespace host {

Thread* me;
Clock ticks;

namespace {

Thread threads[MAX_THREADS];
alignas(16) char slots[MAX_THREADS][WARP][SLOT];  // for each thread, what the lanes of its warp published
unsigned count, waiting, returned;    // threads of the block; those at the barrier; those that are done
std::vector<unsigned> ready;          // those that can run
const Thread* first;                  // the first at the barrier
std::vector<unsigned> order, started; // blocks as they run; the tick at which each began
Context scheduler;
char* pool;                           // the threads' stacks, and behind them the dynamic shared memory
const Entry* kernel;
void** arguments;
Report* result;
uint64_t random_state;

unsigned random_below(unsigned n) {   // splitmix64
  uint64_t z = random_state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return unsigned((z ^ z >> 31) >> 32) % n;
}

uint3 unravel(unsigned i, const uint3& extent) {  // x fastest
  return {i % extent.x, i / extent.x % extent.y, i / extent.x / extent.y};
}

// ---- fibers
// ---------------------------------------------------------------------------------------------------------

void change(Context& from, Context& to);

void land(Copy& copy) {
  char* to = reinterpret_cast<char*>(copy.to);
  copy.valid ? memcpy(to, reinterpret_cast<char*>(copy.from), copy.bytes) : memset(to, 0, copy.bytes);
  copy.landed = true;
}

void give_way(decltype(Thread::state) state, unsigned pc) {
  me->state = state, me->pc = pc;
  change(me->context, scheduler);
  for (Copy& copy : me->copies)
    if (!copy.landed && random_below(2)) land(copy);
}

void wake(Thread& thread) {
  thread.state = Thread::READY;
  ready.push_back(thread.number);
}

void life() {
  kernel->run(arguments);
  for (const Copy& copy : me->copies) read_source(copy);
  ++returned;
  give_way(Thread::RETURNED, 0);
}

#if defined(__x86_64__)
// Save the registers that a call preserves, then the stack pointer; take up those of another fiber.
asm(R"(.text
minigan_switch: push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15; mov %rsp, (%rdi)
                mov %rsi, %rsp; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret
)");
extern "C" void minigan_switch(Context* from, Context to) __attribute__((visibility("hidden")));
void change(Context& from, Context& to) { minigan_switch(&from, to); }

void prepare(Thread& thread) {  // as if left where life() was about to start: below its address, six registers
  void** top = reinterpret_cast<void**>(thread.stack + STACK - thread.number % 16 * 256);  // not all in one cache set
  std::fill(top - 8, top, nullptr);
  top[-2] = reinterpret_cast<void*>(life);
  thread.context = top - 8;
}
#else
void change(Context& from, Context& to) { swapcontext(&from, &to); }

void prepare(Thread& thread) {
  getcontext(&thread.context);
  thread.context.uc_stack = {reinterpret_cast<void*>(thread.stack), 0, STACK};
  makecontext(&thread.context, life, 0);
}
#endif

// ---- warps
// ----------------------------------------------------------------------------------------------------------

/// Is `a` at the same intrinsic as `b`?
bool together(const Thread& a, const Thread& b) {
  return a.state == Thread::IN_WARP && a.pc == b.pc && a.mask == b.mask;
}

/// If all lanes that `one` waits for have come to its intrinsic, or returned, let them go on.
void meet(const Thread& one) {
  Thread* lanes = threads + one.number / WARP * WARP;
  unsigned arrived = 0;
  for (int l = 0; l < WARP; ++l)
    if (together(lanes[l], one)) arrived |= 1u << l;
    else if (one.mask >> l & 1 && lanes[l].state != Thread::RETURNED) return;
  const auto each = [&](auto f) {
    for (unsigned rest = arrived; rest; rest &= rest - 1) f(lanes[__builtin_ctz(rest)]);
  };
  if (one.bytes) {              // what each published, to all
    char all[WARP][SLOT];
    each([&](Thread& thread) { memcpy(all[thread.number % WARP], thread.mine, thread.bytes); });
    each([&](Thread& thread) { memcpy(slots[thread.number], all, sizeof all); });
  } else {                      // __syncwarp: what they did before lies before what they do after
    unsigned seen[WARP] = {};
    ++ticks.now;
    each([&](Thread& thread) { for (int l = 0; l < WARP; ++l) seen[l] = std::max(seen[l], thread.seen[l]); });
    each([&](Thread& thread) { seen[thread.number % WARP] = thread.time = ticks.now; });
    each([&](Thread& thread) { std::copy(seen, seen + WARP, thread.seen); });
  }
  each([&](Thread& thread) { thread.met = arrived, wake(thread); });
}

/// The lanes of `mask` meet: this one publishes `bytes` bytes, and goes on when all have come.
void gather(unsigned mask, const void* mine, int bytes, unsigned pc) {
  if (!(mask >> lane() & 1)) STOP("mask", pc, "is lane %u, which is not in the mask %#x", lane(), mask);
  me->mask = mask, me->mine = mine, me->bytes = bytes;
  give_way(Thread::IN_WARP, pc);
}

// ---- a block
// --------------------------------------------------------------------------------------------------------

/// Nobody can run: say who waits, and for whom.
void diverged() {
  const auto find = [](auto f) { return std::find_if(threads, threads + count, f); };
  const auto in = [](auto state) { return [=](const Thread& thread) { return thread.state == state; }; };
  const Thread *waits = find(in(Thread::IN_WARP)), *missing = find(in(Thread::RETURNED));
  if (waits == threads + count) waits = find(in(Thread::AT_BARRIER));
  else missing = find([&](const Thread& thread) {
    return thread.number / WARP == waits->number / WARP && waits->mask >> thread.number % WARP & 1 &&
           thread.state != Thread::RETURNED && !together(thread, *waits);
  });
  report("divergence", "@%x: thread %u of block %u waits here for thread %u, which %s @%x", waits->pc, waits->number,
         block_at(ticks.block), missing->number, missing->state == Thread::RETURNED ? "has returned" : "is at", missing->pc);
}

void run_block(unsigned block) {
  block_index = unravel(block, grid_size);
  ticks.block = ticks.barrier = ++ticks.now;
  started.push_back(ticks.now);
  ready.clear();
  waiting = returned = 0;
  for (unsigned i = 0; i < (count + WARP - 1) / WARP * WARP; ++i) {  // a warp's last lanes may not exist: as if they had
    Thread& thread = threads[i];                                     // returned
    thread.number = i, thread.state = Thread::RETURNED, thread.time = ticks.now, thread.groups = 0;
    thread.stack = reinterpret_cast<uintptr_t>(pool) + i * STACK;
    thread.copies.clear();
    std::fill(thread.seen, thread.seen + WARP, 0);
    if (i < count) prepare(thread), wake(thread);
  }
  while (returned < count) {
    while (!ready.empty()) {
      std::swap(ready[random_below(ready.size())], ready.back());
      me = &threads[ready.back()];
      ready.pop_back();
      thread_index = unravel(me->number, block_size);
      change(scheduler, me->context);
      if (*result->kind) return;
      if (me->state == Thread::IN_WARP) meet(*me);
      for (Thread* other = me - lane(); me->state == Thread::RETURNED && other < me - lane() + WARP; ++other)
        if (other->state == Thread::IN_WARP) meet(*other);  // it may have waited only for who has now returned
    }
    if (returned == count) return;
    if (waiting < count) return diverged();
    waiting = 0;
    ticks.barrier = ++ticks.now;
    for (unsigned i = 0; i < count; ++i) threads[i].time = ticks.now, wake(threads[i]);
  }
}

}  // namespace

// ---- what kernels call
// ----------------------------------------------------------------------------------------------

void barrier() {
  const unsigned pc = CALLER;
  if (!waiting++) first = me;
  else if (pc != first->pc)
    STOP("divergence", pc, "comes to this __syncthreads, and thread %u waits in the one at @%x", first->number, first->pc);
  give_way(Thread::AT_BARRIER, pc);
}

void sync_warp(unsigned mask) { gather(mask, nullptr, 0, CALLER); }

const void* exchange(unsigned mask, const void* mine, int bytes, unsigned* took_part) {
  gather(mask, mine, bytes, CALLER);
  if (took_part) *took_part = me->met;
  return slots[me->number];
}

unsigned lane() { return me->number % WARP; }
void* dynamic_shared() { return pool + MAX_THREADS * STACK; }

void copy_async(void* shared, const void* global, int bytes, bool valid) {
  const unsigned pc = CALLER;
  const uintptr_t to = reinterpret_cast<uintptr_t>(shared), from = reinterpret_cast<uintptr_t>(global);
  if (to % bytes || (valid && from % bytes)) STOP("misaligned", pc, "copies %d bytes; cp.async wants both addresses aligned", bytes);
  if (valid) access(from, bytes, false, pc);
  access(to, bytes, true, pc);
  if (in_global(shared) || (valid && !in_global(global)))
    STOP("refused", pc, "must not copy so: cp.async goes from global to shared memory");
  me->copies.push_back({to, from, bytes, me->groups, pc, valid, false});
  mark(me->copies.back(), true);
  if (random_below(2)) land(me->copies.back());
}

void commit_group() { ++me->groups; }

void wait_group(int pending) {
  const auto covered = [&](Copy& copy) {
    if (copy.group >= me->groups - pending) return false;
    read_source(copy);          // as late as this it may have read
    if (!copy.landed) land(copy);
    mark(copy, false);
    return true;
  };
  me->copies.erase(std::remove_if(me->copies.begin(), me->copies.end(), covered), me->copies.end());
}

void fail(const char* format, ...) {
  char text[256];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  STOP("refused", CALLER, "must not do this: %s", text);
}

// ---- reports and launches
// ---------------------------------------------------------------------------------------------

unsigned block_at(unsigned tick) {
  return order[std::upper_bound(started.begin(), started.end(), tick) - started.begin() - 1];
}

void report(const char* kind, const char* format, ...) {
  snprintf(result->kind, sizeof result->kind, "%s", kind);
  va_list values;
  va_start(values, format);
  vsnprintf(result->message, sizeof result->message, format, values);
  va_end(values);
}

void give_up() { change(me->context, scheduler), __builtin_unreachable(); }

/// Run one kernel over its grid; 0, or 1 with the report's kind and message filled in.
extern "C" __attribute__((visibility("default"))) int minigan_launch(int index, const Launch* launch, void** values,
                                                                      Report* report) {
  kernel = &entries[index], arguments = values, result = report, random_state = launch->seed;
  grid_size = launch->grid, block_size = launch->block;
  count = block_size.x * block_size.y * block_size.z;
  if (!pool) {                  // once; pages that nobody touches cost nothing; no GPU has more shared memory
    void* memory = mmap(nullptr, MAX_THREADS * STACK + (256 << 10), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return host::report("memory", "no address space for the threads' stacks"), 1;
    pool = static_cast<char*>(memory);
  }
  begin_launch(*launch);
  order.clear(), started.clear();
  for (unsigned i = 0; i < grid_size.x * grid_size.y * grid_size.z; ++i) {
    order.push_back(i);
    std::swap(order[i], order[random_below(i + 1)]);
  }
  for (size_t i = 0; i < order.size() && !*report->kind; ++i) run_block(order[i]);
  if (!*report->kind) end_launch(*report);
  return *report->kind != 0;
}

}  // namespace host
