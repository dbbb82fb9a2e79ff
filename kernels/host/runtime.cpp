/* The scheduler: the threads of a block are fibers, run one at a time in an order drawn from the
   seed. A fiber runs until it gives way: at __syncthreads, in a warp intrinsic that waits for other
   lanes, or at its end. When none can run, either all stand at the same barrier, which then opens,
   or the block has diverged, which is an error. An error writes the report and leaves every fiber
   where it is: the next launch starts them afresh. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <algorithm>
#include "thread.h"

// To a kernel these are constants; here they are variables.
uint3 thread_index asm("threadIdx");
uint3 block_index asm("blockIdx");
uint3 block_size asm("blockDim");
uint3 grid_size asm("gridDim");

namespace host {

Thread* me;
Clock ticks;

namespace {

// The launch:
const Entry* kernel;
void** arguments;
Report* result;
std::vector<unsigned> order;        // the blocks, in the order in which they run
std::vector<unsigned> started;      // the tick at which each of them began
uint64_t random_state;

// The block that runs:
Thread threads[MAX_THREADS];
unsigned count;                     // its threads
unsigned waiting;                   // those at the barrier
unsigned returned;                  // those that are done
const Thread* first;                // the first at the barrier
std::vector<unsigned> ready;        // those that can run
alignas(16) char slots[MAX_THREADS][WARP][SLOT];    // for each thread: what its warp has published

Context scheduler;
char* pool;                         // the threads' stacks, then the dynamic shared memory

unsigned random_below(unsigned n) { // splitmix64
    random_state += 0x9e3779b97f4a7c15;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return unsigned((z ^ z >> 31) >> 32) % n;
}

bool coin() { return random_below(2) != 0; }

uint3 unravel(unsigned i, const uint3& extent) {    // x fastest
    return {i % extent.x, i / extent.x % extent.y, i / extent.x / extent.y};
}

// ---- fibers ------------------------------------------------------------------------------------

void change(Context& from, Context& to);

/// The data of an asynchronous copy arrive.
void land(Copy& copy) {
    char* to = reinterpret_cast<char*>(copy.to);
    if (copy.valid)
        memcpy(to, reinterpret_cast<char*>(copy.from), copy.bytes);
    else
        memset(to, 0, copy.bytes);
    copy.landed = true;
}

/// The running thread waits at pc, and others run. Meanwhile some of its copies may land.
void give_way(Thread::State state, unsigned pc) {
    me->state = state;
    me->pc = pc;
    change(me->context, scheduler);
    for (Copy& copy : me->copies)
        if (!copy.landed && coin()) land(copy);
}

void wake(Thread& thread) {
    thread.state = Thread::READY;
    ready.push_back(thread.number);
}

/// What a fiber does: run the kernel. Copies that nobody has waited for may read until the end.
void life() {
    kernel->run(arguments);
    for (const Copy& copy : me->copies) read_source(copy);
    ++returned;
    give_way(Thread::RETURNED, 0);
}

#if defined(__x86_64__)
// Saves the registers that a call preserves, then the stack pointer, and takes up those of another
// fiber.
asm(R"(.text
minigan_switch: push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15; mov %rsp, (%rdi)
                mov %rsi, %rsp; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret
)");
extern "C" void minigan_switch(Context* from, Context to) __attribute__((visibility("hidden")));
void change(Context& from, Context& to) { minigan_switch(&from, to); }

/// Make a stack as minigan_switch would have left it just before life(): six registers, and above
/// them the address where to go on.
void prepare(Thread& thread) {
    const uintptr_t spread = thread.number % 16 * 256;  // otherwise all share one set of the cache
    void** top = reinterpret_cast<void**>(thread.stack + STACK - spread);
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

// ---- warps -------------------------------------------------------------------------------------

Thread* warp_of(const Thread& thread) { return threads + thread.number / WARP * WARP; }

bool waits_for(const Thread& thread, unsigned lane) { return thread.mask >> lane & 1; }

/// Whether two threads wait at the same intrinsic.
bool together(const Thread& a, const Thread& b) {
    return a.state == Thread::IN_WARP && a.pc == b.pc && a.mask == b.mask;
}

/// The lanes that have come to the intrinsic of `one`; 0 if one of those that it waits for has
/// neither come nor returned.
unsigned arrived_with(const Thread& one) {
    const Thread* lanes = warp_of(one);
    unsigned arrived = 0;
    for (int l = 0; l < WARP; ++l) {
        if (together(lanes[l], one))
            arrived |= 1u << l;
        else if (waits_for(one, l) && lanes[l].state != Thread::RETURNED)
            return 0;
    }
    return arrived;
}

template <class F> void for_each_lane(Thread* warp, unsigned lanes, F f) {
    for (int l = 0; l < WARP; ++l)
        if (lanes >> l & 1) f(warp[l]);
}

/// Give to all of these lanes what each of them publishes.
void share(Thread* warp, unsigned lanes) {
    char published[WARP][SLOT];
    for_each_lane(warp, lanes, [&](Thread& thread) {
        memcpy(published[thread.number % WARP], thread.mine, thread.bytes);
    });
    for_each_lane(warp, lanes, [&](Thread& thread) {
        memcpy(slots[thread.number], published, sizeof published);
    });
}

/// __syncwarp: what these lanes did before happens before all that they do after.
void synchronise(Thread* warp, unsigned lanes) {
    ++ticks.now;
    unsigned seen[WARP] = {};
    for_each_lane(warp, lanes, [&](Thread& thread) {
        for (int l = 0; l < WARP; ++l) seen[l] = std::max(seen[l], thread.seen[l]);
    });
    for_each_lane(warp, lanes, [&](Thread& thread) {
        thread.time = ticks.now;
        seen[thread.number % WARP] = ticks.now;
    });
    for_each_lane(warp, lanes, [&](Thread& thread) {
        std::copy(seen, seen + WARP, thread.seen);
    });
}

/// If all lanes that `one` waits for have come to its intrinsic, or returned, let them go on.
void meet(const Thread& one) {
    const unsigned lanes = arrived_with(one);
    if (lanes == 0) return;
    Thread* warp = warp_of(one);
    if (one.bytes > 0)
        share(warp, lanes);
    else
        synchronise(warp, lanes);
    for_each_lane(warp, lanes, [&](Thread& thread) {
        thread.met = lanes;
        wake(thread);
    });
}

/// The lanes of `mask` meet: this one publishes `bytes` bytes, and goes on when all have come.
void gather(unsigned mask, const void* mine, int bytes, unsigned pc) {
    me->mask = mask;
    me->mine = mine;
    me->bytes = bytes;
    if (!waits_for(*me, lane()))
        STOP("mask", pc, "is lane %u, which is not in the mask %#x", lane(), mask);
    give_way(Thread::IN_WARP, pc);
}

// ---- a block -----------------------------------------------------------------------------------

/// The first thread in a state, or null.
const Thread* first_in(Thread::State state) {
    for (unsigned i = 0; i < count; ++i)
        if (threads[i].state == state) return &threads[i];
    return nullptr;
}

/// Of the lanes that a thread in a warp intrinsic waits for, the first that has not come.
const Thread* first_missing(const Thread& waits) {
    const Thread* lanes = warp_of(waits);
    for (int l = 0; l < WARP; ++l) {
        const bool came = lanes[l].state == Thread::RETURNED || together(lanes[l], waits);
        if (waits_for(waits, l) && !came) return &lanes[l];
    }
    return nullptr;
}

/// Nobody can run: say who waits, and for whom.
void report_divergence() {
    const Thread* waits = first_in(Thread::IN_WARP);
    const Thread* missing = nullptr;
    if (waits) {
        missing = first_missing(*waits);
    } else {
        waits = first_in(Thread::AT_BARRIER);
        missing = first_in(Thread::RETURNED);
    }
    const char* where = missing->state == Thread::RETURNED ? "has returned" : "is at";
    report("divergence", "@%x: thread %u of block %u waits here for thread %u, which %s @%x",
           waits->pc, waits->number, block_at(ticks.block), missing->number, where, missing->pc);
}

void begin_block(unsigned block) {
    block_index = unravel(block, grid_size);
    ++ticks.now;
    ticks.block = ticks.now;
    ticks.barrier = ticks.now;
    started.push_back(ticks.now);
    ready.clear();
    waiting = 0;
    returned = 0;
    const unsigned whole_warps = (count + WARP - 1) / WARP * WARP;
    for (unsigned i = 0; i < whole_warps; ++i) {
        Thread& thread = threads[i];
        thread.number = i;
        thread.state = Thread::RETURNED;    // and so they stay: lanes of the last warp beyond count
        thread.time = ticks.now;
        thread.groups = 0;
        thread.stack = reinterpret_cast<uintptr_t>(pool) + i * STACK;
        thread.copies.clear();
        std::fill(thread.seen, thread.seen + WARP, 0);
        if (i < count) {
            prepare(thread);
            wake(thread);
        }
    }
}

/// Take one of the threads that can run, at random.
Thread& draw_ready() {
    std::swap(ready[random_below(ready.size())], ready.back());
    Thread& thread = threads[ready.back()];
    ready.pop_back();
    return thread;
}

/// Let those of the warp go on that have waited only for a thread that has now returned.
void meet_without(const Thread& gone) {
    Thread* lanes = warp_of(gone);
    for (int l = 0; l < WARP; ++l)
        if (lanes[l].state == Thread::IN_WARP) meet(lanes[l]);
}

void run_thread(Thread& thread) {
    me = &thread;
    thread_index = unravel(thread.number, block_size);
    change(scheduler, thread.context);
}

void open_barrier() {
    waiting = 0;
    ++ticks.now;
    ticks.barrier = ticks.now;
    for (unsigned i = 0; i < count; ++i) {
        threads[i].time = ticks.now;
        wake(threads[i]);
    }
}

bool failed() { return *result->kind != 0; }

void run_block(unsigned block) {
    begin_block(block);
    while (returned < count) {
        while (!ready.empty()) {
            Thread& thread = draw_ready();
            run_thread(thread);
            if (failed()) return;
            if (thread.state == Thread::IN_WARP) meet(thread);
            if (thread.state == Thread::RETURNED) meet_without(thread);
        }
        if (returned == count) return;
        if (waiting < count) {
            report_divergence();
            return;
        }
        open_barrier();
    }
}

}  // namespace

// ---- what kernels call -------------------------------------------------------------------------

void barrier() {
    const unsigned pc = CALLER;
    if (waiting == 0)
        first = me;
    else if (pc != first->pc)
        STOP("divergence", pc, "comes to this __syncthreads, and thread %u waits in the one at @%x",
             first->number, first->pc);
    ++waiting;
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
    const uintptr_t to = reinterpret_cast<uintptr_t>(shared);
    const uintptr_t from = reinterpret_cast<uintptr_t>(global);
    const bool aligned = to % bytes == 0 && (!valid || from % bytes == 0);
    if (!aligned)
        STOP("misaligned", pc, "copies %d bytes; cp.async wants both addresses aligned", bytes);
    if (valid) access(from, bytes, false, pc);
    access(to, bytes, true, pc);
    const bool right_way = !in_global(shared) && (!valid || in_global(global));
    if (!right_way)
        STOP("refused", pc, "must not copy so: cp.async goes from global to shared memory");
    me->copies.push_back({to, from, bytes, me->groups, pc, valid, false});
    Copy& copy = me->copies.back();
    mark(copy, true);
    if (coin()) land(copy);
}

void commit_group() { ++me->groups; }

void wait_group(int pending) {
    const auto finish_if_covered = [&](Copy& copy) {
        const bool covered = copy.group < me->groups - pending;
        if (!covered) return false;
        read_source(copy);      // it may have read as late as this
        if (!copy.landed) land(copy);
        mark(copy, false);
        return true;
    };
    std::vector<Copy>& copies = me->copies;
    copies.erase(std::remove_if(copies.begin(), copies.end(), finish_if_covered), copies.end());
}

void fail(const char* format, ...) {
    char text[256];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    STOP("refused", CALLER, "must not do this: %s", text);
}

// ---- reports and launches ----------------------------------------------------------------------

/// The block that ran at a tick.
unsigned block_at(unsigned tick) {
    const auto after = std::upper_bound(started.begin(), started.end(), tick);
    return order[after - started.begin() - 1];
}

void report(const char* kind, const char* format, ...) {
    snprintf(result->kind, sizeof result->kind, "%s", kind);
    va_list values;
    va_start(values, format);
    vsnprintf(result->message, sizeof result->message, format, values);
    va_end(values);
}

void give_up() {
    change(me->context, scheduler);
    __builtin_unreachable();
}

namespace {

/// Reserve the threads' stacks and the shared memory, once: pages that nobody touches cost nothing.
bool reserve_pool() {
    if (pool) return true;
    constexpr size_t SHARED = 256 << 10;    // no GPU has more for a block
    void* memory = mmap(nullptr, MAX_THREADS * STACK + SHARED, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        report("memory", "no address space for the threads' stacks");
        return false;
    }
    pool = static_cast<char*>(memory);
    return true;
}

void shuffle_blocks() {
    order.clear();
    started.clear();
    for (unsigned i = 0; i < grid_size.x * grid_size.y * grid_size.z; ++i) {
        order.push_back(i);
        std::swap(order[i], order[random_below(i + 1)]);
    }
}

}  // namespace

/// Run one kernel over its grid. Returns 0, or 1 with the report's kind and message filled in.
extern "C" __attribute__((visibility("default"))) int minigan_launch(
    int index, const Launch* launch, void** values, Report* report) {
    kernel = &entries[index];
    arguments = values;
    result = report;
    random_state = launch->seed;
    grid_size = launch->grid;
    block_size = launch->block;
    count = block_size.x * block_size.y * block_size.z;
    if (!reserve_pool()) return 1;
    begin_launch(*launch);
    shuffle_blocks();
    for (size_t i = 0; i < order.size() && !failed(); ++i) run_block(order[i]);
    if (!failed()) end_launch(*report);
    return failed();
}

}  // namespace host
