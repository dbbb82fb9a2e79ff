// The checks: every access that g++ was asked to announce (-fsanitize=thread) comes here before
// it happens.
//
// Two accesses by different threads are a race, where one of them writes, unless a barrier, or a
// __syncwarp of both, stands between them; those of different blocks always are. Each word of 4
// bytes of shared memory and of the launch's arrays has a cell that remembers the last write and
// the reads that are not ordered among each other. Of these, one from another block, or two from
// different warps, are enough: to whoever writes next, one of them is a stranger.

#include <stdio.h>
#include <algorithm>
#include <array>
#include <unordered_map>
#include "thread.h"

extern "C" __attribute__((visibility("hidden"))) char __ehdr_start, _end;  // of this library, from the linker

namespace host {
namespace {

struct Access {                 // by lanes of one warp, since one synchronisation, from one place in the code
  unsigned time, pc, lanes, warp;
};

struct Cell {                   // of a word
  Access write, reads[2];       // a third read and more are in `crowds`
  bool pending;                 // written by a cp.async that nobody has waited for
  bool crowded;
  unsigned split;               // the launch in which a part was touched alone: each byte has a cell, in `bytes_of`
};

struct Space {                  // a stretch of memory that threads may touch
  uintptr_t begin, end;
  int argument;                 // its place among the launch's arguments; -1 shared memory
  bool write_only, touched;
  Cell* cells;
  Cell& cell(uintptr_t address) const { return cells[address / 4 - begin / 4]; }
  unsigned since() const { return argument < 0 ? ticks.block : ticks.launch; }  // what is older is of no interest
};

std::vector<Space> spaces;      // ascending
Space* recent;                  // where the last access was
std::vector<Cell> cells;        // reused from launch to launch: the stamps tell old from new
std::unordered_map<const Cell*, std::array<Access, WARP>> crowds;  // by lane
std::unordered_map<const Cell*, std::array<Cell, 4>> bytes_of;
unsigned static_bytes, dynamic_bytes, shared_most;  // that the launch has; that a block may have
std::vector<Request> requests;
bool counting;
thread_local volatile char thread_local_block = 1;  // begins with it: it alone has a value to be copied there

Space* find(uintptr_t address) {
  if (address - recent->begin < recent->end - recent->begin) return recent;
  const auto after = std::upper_bound(spaces.begin(), spaces.end(), address,
                                      [](uintptr_t a, const Space& space) { return a < space.begin; });
  return recent = &*(after == spaces.begin() ? after : after - 1);
}

/// The lanes of an access of this launch that does not come before all that this thread does now.
inline unsigned strangers(const Access& before) {
  if (before.time < ticks.block) return before.lanes;  // another block of this launch
  if (before.time < ticks.barrier) return 0;
  if (before.warp != me->number / WARP) return before.lanes;
  unsigned lanes = before.lanes & ~(1u << lane());
  for (unsigned rest = lanes; rest; rest &= rest - 1)
    if (before.time < me->seen[__builtin_ctz(rest)]) lanes &= ~(rest & -rest);
  return lanes;
}

unsigned thread_of(const Access& access, unsigned lanes) { return access.warp * WARP + __builtin_ctz(lanes); }

/// An address in words.
const char* place(const Space& space, uintptr_t address) {
  static char text[64];
  snprintf(text, 64, space.argument < 0 ? "shared memory" : "byte %td of argument %d", address - space.begin, space.argument);
  return text;
}

/// Remember a read, unless what is remembered tells as much of whoever writes next.
void remember(Cell& cell, const Access& now, unsigned since) {
  for (Access& read : cell.reads) {
    if (read.time == now.time && read.warp == now.warp && read.pc == now.pc) return void(read.lanes |= now.lanes);
    if (read.time < since || !strangers(read)) return void(read = now);
  }
  auto& [a, b] = cell.reads;
  if (a.time < ticks.block || a.warp != b.warp) return;
  if (a.warp != now.warp) b = now;
  else cell.crowded = true, crowds[&cell][lane()] = now;
}

/// One word, or one byte, of an access: judge it by what its cell remembers, then remember it.
inline void check(Cell& cell, const Space& space, uintptr_t address, bool write, unsigned pc) {
  const unsigned since = space.since();
  const bool fresh = cell.write.time < since;  // nobody has written here
  const char* does = write ? "writes" : "reads";
  if (!fresh && cell.pending)
    STOP("cp.async", pc, "%s shared memory that the cp.async of thread %u at @%x may still write: no wait has covered it",
         does, thread_of(cell.write, cell.write.lanes), cell.write.pc);
  const auto meet = [&](const Access& before, const char* did) {
    const unsigned lanes = before.time < since ? 0 : strangers(before);
    if (lanes)
      STOP("race", pc, "%s %s that thread %u of block %u %s at @%x%s", does, place(space, address),
           thread_of(before, lanes), block_at(before.time), did, before.pc, before.time < ticks.block
           ? ": the blocks of a launch run in any order" : ", with no barrier between");
  };
  meet(cell.write, "wrote");
  const Access now = {me->time, pc, 1u << lane(), me->number / WARP};
  if (write) {
    for (const Access& read : cell.reads) meet(read, "read");
    if (cell.crowded) for (const Access& read : crowds[&cell]) meet(read, "read");
    cell.write = now, cell.pending = false;
    return;
  }
  if (fresh && (space.argument < 0 || space.write_only))
    STOP("unwritten", pc, "reads %s, which nobody has written yet", place(space, address));
  remember(cell, now, since);
}

/// f(cell, address) for each word between two addresses, byte by byte where a part of it is or has been touched alone.
template <class F> inline void each(const Space& space, uintptr_t from, uintptr_t to, F f) {
  for (uintptr_t word = from & ~uintptr_t(3); word < to; word += 4) {
    Cell& cell = space.cell(word);
    if (cell.split != ticks.launch && word >= from && word + 4 <= to) { f(cell, word); continue; }
    const auto [entry, is_new] = bytes_of.try_emplace(&cell);
    if (is_new) {
      entry->second.fill(cell), cell.split = ticks.launch;
      if (cell.crowded) for (Cell& byte : entry->second) crowds[&byte] = crowds[&cell];
    }
    for (uintptr_t i = std::max(word, from); i < std::min(word + 4, to); ++i) f(entry->second[i - word], i);
  }
}

/// The first access to an array in shared memory: with it, does a block still have room?
void count_in(Space& space, unsigned pc) {
  space.touched = true;
  if (space.argument >= 0 || space.begin == reinterpret_cast<uintptr_t>(dynamic_shared())) return;
  static_bytes += space.end - space.begin;
  if (static_bytes > 48 << 10 || static_bytes + dynamic_bytes > shared_most)
    STOP("shared memory", pc, "comes to %u static bytes and %u dynamic ones: at most %u, and %u in all, are possible",
         static_bytes, dynamic_bytes, 48 << 10, shared_most);
}

}  // namespace

void access(uintptr_t address, unsigned bytes, bool write, unsigned pc) {
  Space& space = *find(address);
  if (address < space.begin || address + bytes > space.end) {
    if (address < 4096) STOP("out of bounds", pc, "%s byte %zu of a null pointer", write ? "writes" : "reads", address);
    const auto gap = [&](const Space& s) { return address < s.begin ? s.begin - address : address + bytes - s.end; };
    const Space& nearest = *std::min_element(spaces.begin(), spaces.end(), [&](auto& a, auto& b) { return gap(a) < gap(b); });
    STOP("out of bounds", pc, "%s %u bytes outside of the launch's memory; the nearest is %s, which has %zu bytes",
         write ? "writes" : "reads", bytes, place(nearest, address), size_t(nearest.end - nearest.begin));
  }
  if (counting) requests.push_back({address - space.begin, ticks.barrier, pc, me->number,
                                    uint16_t(bytes), space.argument >= 0});
  if (!space.touched) count_in(space, pc);
  each(space, address, address + bytes, [&](Cell& cell, uintptr_t at) { check(cell, space, at, write, pc); });
  if (write && space.argument >= 0)
    for (const Copy& copy : me->copies)  // of the others' copies, the waits will tell
      if (copy.valid && copy.from < address + bytes && address < copy.from + copy.bytes)
        STOP("cp.async", pc, "writes %s, which its cp.async at @%x may still read: no wait has covered it",
             place(space, address), copy.pc);
}

bool in_global(const void* pointer) {
  const Space& space = *find(reinterpret_cast<uintptr_t>(pointer));
  return space.argument >= 0 && reinterpret_cast<uintptr_t>(pointer) < space.end;
}

void read_source(const Copy& copy) {
  Space& source = *find(copy.from);
  if (copy.valid) each(source, copy.from, copy.from + copy.bytes,
                       [&](Cell& cell, uintptr_t at) { check(cell, source, at, false, copy.pc); });
}

void mark(const Copy& copy, bool pending) {
  each(*find(copy.to), copy.to, copy.to + copy.bytes,
       [&](Cell& cell, uintptr_t) { cell.pending = pending, cell.write.time = me->time; });
}

unsigned offset_in_library(const void* code) { return static_cast<const char*>(code) - &__ehdr_start; }

void begin_launch(const Launch& launch) {
  counting = launch.counting;
  requests.clear(), crowds.clear(), bytes_of.clear();
  if (ticks.now > 1u << 31) {   // long before the clock wraps
    ticks.now = 0;
    std::fill(cells.begin(), cells.end(), Cell());
  }
  ticks.launch = ++ticks.now;
  static_bytes = 0, dynamic_bytes = launch.shared, shared_most = launch.shared_most;
  const uintptr_t dynamic = reinterpret_cast<uintptr_t>(dynamic_shared());
  const uintptr_t shared = reinterpret_cast<uintptr_t>(&thread_local_block) + thread_local_block - 1;
  spaces = {{dynamic, dynamic + launch.shared, -1, false, false, nullptr}};
  for (const Array* a = launch.arrays; a != launch.arrays + launch.array_count; ++a) {
    const uintptr_t begin = a->begin + (a->argument < 0 ? shared : 0);
    spaces.push_back({begin, begin + a->bytes, a->argument, a->write_only != 0, false, nullptr});
  }
  std::sort(spaces.begin(), spaces.end(), [](const Space& a, const Space& b) { return a.begin < b.begin; });
  const auto size = [](const Space& space) { return (space.end - space.begin) / 4 + 2; };
  size_t needed = 0;
  for (const Space& space : spaces) needed += size(space);
  if (cells.size() < needed) cells.resize(needed);
  Cell* free = cells.data();
  for (Space& space : spaces) space.cells = free, free += size(space);
  recent = spaces.data();
}

void end_launch(Report& result) {
  for (const Space& space : spaces) {
    size_t missing = 0, first = 0;
    if (space.write_only) each(space, space.begin, space.end, [&](Cell& cell, uintptr_t at) {
      if (cell.write.time < ticks.launch && !missing++) first = at - space.begin;
    });
    if (missing)
      report("not written", "argument %d is to be written whole: from byte %zu of its %zu bytes on, some are not",
             space.argument, first, space.end - space.begin);
  }
  result.requests = requests.data();
  result.request_count = requests.size();
}

// ---- what g++ calls
// ---------------------------------------------------------------------------------------------------

namespace {
__attribute__((always_inline)) inline void hook(const void* pointer, size_t bytes, size_t alignment, bool write) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  if (address - me->stack < STACK) return;  // the thread's own registers and local memory
  if (!write && pointer >= &__ehdr_start && pointer < &_end) return;  // a constant, or another lane's slot
  if (address % alignment)
    STOP("misaligned", CALLER, "%s %zu bytes at an address that is no multiple of %zu", write ? "writes" : "reads", bytes,
         alignment);
  access(address, bytes, write, CALLER);
}
}  // namespace

#define HOOKS(size)                                                                    \
  void __tsan_read##size(void* address) { hook(address, size, size, false); }          \
  void __tsan_write##size(void* address) { hook(address, size, size, true); }          \
  void __tsan_unaligned_read##size(void* address) { hook(address, size, 1, false); }   \
  void __tsan_unaligned_write##size(void* address) { hook(address, size, 1, true); }
extern "C" {
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)
void __tsan_read_range(void* address, size_t bytes) { hook(address, bytes, 1, false); }
void __tsan_write_range(void* address, size_t bytes) { hook(address, bytes, 1, true); }
void __tsan_init() {}
}

// -fsanitize=bounds and undefined. What it passes begins with the place in the source: a file's
// name, line and column.
struct Source { const char* file; unsigned line, column; };
#define UNDEFINED(name)                                                                                            \
  extern "C" void __ubsan_handle_##name##_abort(const Source* source) {                                            \
    STOP("undefined", CALLER, "does what C++ leaves undefined: " #name ", in column %u of the line", source->column); \
  }
UNDEFINED(add_overflow) UNDEFINED(sub_overflow) UNDEFINED(mul_overflow) UNDEFINED(negate_overflow)
UNDEFINED(divrem_overflow) UNDEFINED(shift_out_of_bounds) UNDEFINED(out_of_bounds) UNDEFINED(pointer_overflow)
UNDEFINED(type_mismatch_v1) UNDEFINED(alignment_assumption) UNDEFINED(float_cast_overflow) UNDEFINED(load_invalid_value)
UNDEFINED(vla_bound_not_positive) UNDEFINED(invalid_builtin) UNDEFINED(nonnull_arg)

}  // namespace host
