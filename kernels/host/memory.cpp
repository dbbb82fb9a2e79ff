// The checks: every access that g++ was asked to announce (-fsanitize=thread) comes here before it happens.
//
// Each word of 4 bytes of shared memory and of the launch's arrays has a cell that remembers the last write and two
// reads. Two reads are enough: kept from different blocks, else from different warps, where there are such, at least one
// of them is a stranger to whoever writes next. Two accesses by different threads are a race unless a barrier, or a
// __syncwarp of both, stands between them; those of different blocks always are, where one of them writes.

#include <link.h>
#include <stdio.h>
#include <algorithm>
#include "thread.h"

namespace host {
namespace {

struct Access {
  unsigned time, pc;
  uint16_t thread;
  uint8_t bytes;                // bit i: byte i of the word
  bool pending;                 // by a cp.async that nobody has waited for
};

struct Cell { Access write, reads[2]; };

struct Space {                  // a stretch of memory that threads may touch
  uintptr_t begin, end;
  int argument;                 // its place among the launch's arguments; -1 shared memory
  bool write_only;
  Cell* cells;
  Cell& cell(uintptr_t address) const { return cells[address / 4 - begin / 4]; }
  unsigned since() const { return argument < 0 ? ticks.block : ticks.launch; }  // what is older is of no interest
};

std::vector<Space> spaces;      // ascending
Space* recent;                  // where the last access was
std::vector<Cell> cells;        // reused from launch to launch: the stamps tell old from new
std::vector<Request> requests;
bool counting;
struct { uintptr_t begin, end, shared, shared_bytes; } library;  // this library's image; its thread-local block
thread_local volatile char touched;  // the block exists once one of its variables has been touched

void find_library() {
  touched = 1;
  dl_iterate_phdr([](dl_phdr_info* info, size_t, void*) {
    library = {info->dlpi_addr, 0, reinterpret_cast<uintptr_t>(info->dlpi_tls_data), 0};
    for (auto part = info->dlpi_phdr; part != info->dlpi_phdr + info->dlpi_phnum; ++part) {
      if (part->p_type == PT_LOAD) library.end = std::max(library.end, library.begin + part->p_vaddr + part->p_memsz);
      if (part->p_type == PT_TLS) library.shared_bytes = part->p_memsz;
    }
    const uintptr_t here = reinterpret_cast<uintptr_t>(&library);
    return int(library.begin <= here && here < library.end);
  }, nullptr);
}

Space* find(uintptr_t address) {
  if (address - recent->begin < recent->end - recent->begin) return recent;
  const auto after = std::upper_bound(spaces.begin(), spaces.end(), address,
                                      [](uintptr_t a, const Space& space) { return a < space.begin; });
  return recent = &*(after == spaces.begin() ? after : after - 1);
}

/// Does what `before` stamped come before all that this thread does now?
inline bool ordered(const Access& before) {
  if (before.time < ticks.block) return false;  // another block of this launch
  return before.thread == me->number || before.time < ticks.barrier ||
         (before.thread / WARP == me->number / WARP && before.time < me->seen[before.thread % WARP]);
}

struct Text { char text[64]; };
Text place(const Space& space, uintptr_t address) {
  Text place = {"shared memory"};
  if (space.argument >= 0) snprintf(place.text, 64, "byte %td of argument %d", address - space.begin, space.argument);
  return place;
}

[[noreturn]] void race(const Text& place, const char* does, const Access& before, const char* did, unsigned pc) {
  STOP("race", pc, "%s %s that thread %u of block %u %s at @%x%s", does, place.text, before.thread,
       block_at(before.time), did, before.pc, before.time >= ticks.block
       ? ", with no barrier between" : ": the blocks of a launch run in any order");
}

/// One word of an access: judge it by what its cell remembers, then remember it.
inline void check(const Space& space, uintptr_t word, unsigned bytes, bool write, unsigned pc) {
  Cell& cell = space.cell(word);
  const unsigned since = space.since();
  const auto races = [&](const Access& x) { return x.time >= since && x.bytes & bytes && !ordered(x); };
  const bool fresh = cell.write.time < since;  // nobody has written here
  if (!fresh && cell.write.pending)
    STOP("cp.async", pc, "%s shared memory that the cp.async of thread %u at @%x may still write: no wait has covered it",
         write ? "writes" : "reads", cell.write.thread, cell.write.pc);
  if (races(cell.write)) race(place(space, word), write ? "writes" : "reads", cell.write, "wrote", pc);
  const Access now = {me->time, pc, uint16_t(me->number), uint8_t(bytes), false};
  if (write) {
    for (const Access& read : cell.reads)
      if (races(read)) race(place(space, word), "writes", read, "read", pc);
    cell.write = now;
    return;
  }
  if (fresh && (space.argument < 0 || space.write_only))
    STOP("unwritten", pc, "reads %s, which nobody has written yet", place(space, word).text);
  // A read that comes before this one tells nothing more; of two strangers from one warp, one is enough.
  Access &a = cell.reads[0], &b = cell.reads[1];
  const auto settled = [&](const Access& read) { return read.time < since || ordered(read); };
  const auto home = [](const Access& read) { return read.time < ticks.block ? ~0u : unsigned(read.thread / WARP); };
  if (settled(a)) a = now;
  else if (settled(b)) b = now;
  else if (home(a) == home(b)) (a.time < b.time ? a : b) = now;
}

}  // namespace

void access(uintptr_t address, unsigned bytes, bool write, unsigned pc) {
  const Space& space = *find(address);
  if (address < space.begin || address + bytes > space.end) {
    const auto gap = [&](const Space& s) { return address < s.begin ? s.begin - address : address + bytes - s.end; };
    const Space& nearest = *std::min_element(spaces.begin(), spaces.end(), [&](auto& a, auto& b) { return gap(a) < gap(b); });
    STOP("out of bounds", pc, "%s %u bytes outside of the launch's memory; the nearest is %s, which has %zu bytes",
         write ? "writes" : "reads", bytes, place(nearest, address).text, size_t(nearest.end - nearest.begin));
  }
  if (counting) requests.push_back({address - space.begin, ticks.barrier, pc, me->number,
                                    uint16_t(bytes), space.argument >= 0});
  for (uintptr_t word = address & ~uintptr_t(3); word < address + bytes; word += 4) {
    const unsigned from = word < address ? address - word : 0, to = std::min<uintptr_t>(4, address + bytes - word);
    check(space, word, (1u << to) - (1u << from), write, pc);
  }
}

void mark(const Copy& copy, bool pending) {
  const uintptr_t to = reinterpret_cast<uintptr_t>(copy.to);
  for (int i = 0; i < copy.bytes; i += 4) {
    Access& write = find(to)->cell(to + i).write;
    write.pending = pending, write.time = me->time;
  }
}

unsigned offset_in_library(const void* code) { return reinterpret_cast<uintptr_t>(code) - library.begin; }

void begin_launch(const Launch& launch) {
  find_library();
  counting = launch.counting;
  requests.clear();
  if (ticks.now > 1u << 31) {   // long before the clock wraps
    ticks.now = 0;
    std::fill(cells.begin(), cells.end(), Cell());
  }
  ticks.launch = ++ticks.now;
  const uintptr_t at = reinterpret_cast<uintptr_t>(dynamic_shared());
  spaces = {{library.shared, library.shared + library.shared_bytes, -1, false, 0}, {at, at + launch.shared, -1, false, 0}};
  for (const Array* a = launch.arrays; a != launch.arrays + launch.array_count; ++a)
    spaces.push_back({a->begin, a->begin + a->bytes, a->argument, a->write_only != 0, nullptr});
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
    for (uintptr_t address = space.begin; space.write_only && address < space.end; address += 4)
      if (space.cell(address).write.time < ticks.launch && !missing++) first = address - space.begin;
    if (missing)
      report("not written", "argument %d is to be written whole: %zu of its %zu words are not, the first at byte %zu",
             space.argument, missing, (space.end - space.begin) / 4, first);
  }
  result.requests = requests.data();
  result.request_count = requests.size();
}

// ---- what g++ calls ---------------------------------------------------------------------------------------------------

namespace {
__attribute__((always_inline)) inline void hook(const void* pointer, size_t bytes, size_t alignment, bool write) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  if (address - me->stack < STACK) return;  // the thread's own registers and local memory
  if (!write && address - library.begin < library.end - library.begin) return;  // a constant, or another lane's slot
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

// -fsanitize=bounds and undefined. What it passes begins with the place in the source: a file's name, line and column.
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
