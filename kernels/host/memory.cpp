/* The checks: every access that g++ was asked to announce (hooks.cpp) comes here before it happens.

   Two accesses by different threads, one of them a write, are a race unless a barrier, or a
   __syncwarp of both, stands between them. Those of different blocks always are. Each word of 4
   bytes of shared memory and of the launch's arrays has a cell, which remembers the last write and
   the reads since then that no synchronisation orders. Two reads are enough, if they are of
   different warps or one of them is of an earlier block: whoever writes next, one of the two is
   from another warp than the writer, so the race is still seen. */

#include <stdio.h>
#include <algorithm>
#include <array>
#include <unordered_map>
#include "thread.h"

extern "C" __attribute__((visibility("hidden"))) char __ehdr_start;     // of this library

namespace host {
namespace {

struct Access {                 // by lanes of one warp, since one synchronisation, from one place
    unsigned time;              // the tick of that synchronisation
    unsigned pc;
    unsigned lanes;             // one bit each
    unsigned warp;
};

struct Cell {                   // of a word, or of a byte
    Access write;
    Access reads[2];
    bool pending;               // written by a cp.async that nobody has waited for
    bool crowded;               // there are more reads, in `crowds`
    unsigned split;             // in this launch the word's bytes have cells, in `bytes_of`
};

struct Space {                  // a stretch of memory that threads may touch
    uintptr_t begin, end;
    int argument;               // its place among the launch's arguments; -1 for shared memory
    bool write_only;
    bool touched;
    Cell* cells;

    bool shared() const { return argument < 0; }
    Cell& cell(uintptr_t address) const { return cells[address / 4 - begin / 4]; }

    /// Accesses before this tick are of no interest.
    unsigned since() const { return shared() ? ticks.block : ticks.launch; }
};

std::vector<Space> spaces;      // ascending
Space* recent;                  // where the last access was
std::vector<Cell> cells;        // reused from launch to launch: the ticks tell old from new
std::unordered_map<const Cell*, std::array<Access, WARP>> crowds;   // by lane
std::unordered_map<const Cell*, std::array<Cell, 4>> bytes_of;
unsigned static_bytes;          // of shared memory, as far as the block has touched it
unsigned dynamic_bytes;
unsigned shared_most;           // that a block may have
std::vector<Request> requests;
bool counting;
thread_local volatile char thread_local_block = 1;  // its first byte: nothing else is initialised

const char* verb(bool write) { return write ? "writes" : "reads"; }

/// The space that holds the address; if none does, the one before it or the first.
Space* find(uintptr_t address) {
    if (address - recent->begin < recent->end - recent->begin) return recent;
    const auto begins_after = [](uintptr_t a, const Space& space) { return a < space.begin; };
    auto found = std::upper_bound(spaces.begin(), spaces.end(), address, begins_after);
    if (found != spaces.begin()) --found;
    recent = &*found;
    return recent;
}

/// The lanes of an access of this launch that need not come before what this thread does now.
inline unsigned strangers(const Access& before) {
    if (before.time < ticks.block) return before.lanes;     // of another block
    if (before.time < ticks.barrier) return 0;
    if (before.warp != me->number / WARP) return before.lanes;
    unsigned lanes = before.lanes & ~(1u << lane());
    for (unsigned rest = lanes; rest; rest &= rest - 1) {
        const int other = __builtin_ctz(rest);              // the lowest lane of the rest
        if (before.time < me->seen[other]) lanes &= ~(1u << other);
    }
    return lanes;
}

/// The first thread of an access among these lanes.
unsigned thread_of(const Access& access, unsigned lanes) {
    return access.warp * WARP + __builtin_ctz(lanes);
}

/// An address in words; valid until the next call.
const char* place(const Space& space, uintptr_t address) {
    static char text[64];
    if (space.shared()) return "shared memory";
    snprintf(text, sizeof text, "byte %td of argument %d", address - space.begin, space.argument);
    return text;
}

/// Remember a read, unless what is remembered already tells the next writer as much.
void remember(Cell& cell, const Access& now, unsigned since) {
    for (Access& read : cell.reads) {
        if (read.time == now.time && read.warp == now.warp && read.pc == now.pc) {
            read.lanes |= now.lanes;
            return;
        }
        const bool is_old = read.time < since || strangers(read) == 0;
        if (is_old) {           // whoever must not write after it must not write after this one
            read = now;
            return;
        }
    }
    const Access& first = cell.reads[0];
    Access& second = cell.reads[1];
    if (first.time < ticks.block || first.warp != second.warp) return;  // these two are enough
    if (first.warp != now.warp) {
        second = now;
        return;
    }
    cell.crowded = true;        // all are of one warp: remember each lane's last read
    crowds[&cell][lane()] = now;
}

/// What an access does, for the messages about it.
struct Now {
    const Space& space;
    uintptr_t address;
    bool write;
    unsigned pc;
};

[[noreturn]] void report_race(const Now& now, const Access& before, unsigned lanes,
                              const char* did) {
    const char* why = ", with no barrier between";
    if (before.time < ticks.block) why = ": the blocks of a launch run in any order";
    STOP("race", now.pc, "%s %s that thread %u of block %u %s at @%x%s", verb(now.write),
         place(now.space, now.address), thread_of(before, lanes), block_at(before.time), did,
         before.pc, why);
}

/// Stop if this access races with one before; did: "wrote" or "read".
inline void compare(const Now& now, const Access& before, const char* did) {
    if (before.time < now.space.since()) return;
    const unsigned lanes = strangers(before);
    if (lanes) report_race(now, before, lanes, did);
}

/// One word, or one byte, of an access: judge it by what its cell remembers, then remember it.
inline void check(Cell& cell, const Now& now) {
    const unsigned since = now.space.since();
    const bool unwritten = cell.write.time < since;
    if (!unwritten && cell.pending)
        STOP("cp.async", now.pc,
             "%s shared memory that the cp.async of thread %u at @%x may still write: "
             "no wait has covered it",
             verb(now.write), thread_of(cell.write, cell.write.lanes), cell.write.pc);
    compare(now, cell.write, "wrote");
    const Access access = {me->time, now.pc, 1u << lane(), me->number / WARP};
    if (!now.write) {
        if (unwritten && (now.space.shared() || now.space.write_only))
            STOP("unwritten", now.pc, "reads %s, which nobody has written yet",
                 place(now.space, now.address));
        remember(cell, access, since);
        return;
    }
    for (const Access& read : cell.reads) compare(now, read, "read");
    if (cell.crowded)
        for (const Access& read : crowds[&cell]) compare(now, read, "read");
    cell.write = access;
    cell.pending = false;
}

/// The cells of a word's bytes. The first time in a launch, they begin as copies of the word's.
std::array<Cell, 4>& split(Cell& word) {
    const auto [entry, is_new] = bytes_of.try_emplace(&word);
    std::array<Cell, 4>& bytes = entry->second;
    if (is_new) {
        bytes.fill(word);
        word.split = ticks.launch;
        if (word.crowded)
            for (Cell& byte : bytes) crowds[&byte] = crowds[&word];
    }
    return bytes;
}

/// f(cell, address) for each word between two addresses; for each byte where a word has been split,
/// or has to be because only a part of it lies between them.
template <class F> inline void each(const Space& space, uintptr_t from, uintptr_t to, F f) {
    for (uintptr_t word = from & ~uintptr_t(3); word < to; word += 4) {
        Cell& cell = space.cell(word);
        const bool whole = word >= from && word + 4 <= to;
        if (whole && cell.split != ticks.launch) {
            f(cell, word);
            continue;
        }
        std::array<Cell, 4>& bytes = split(cell);
        const uintptr_t end = std::min(word + 4, to);
        for (uintptr_t i = std::max(word, from); i < end; ++i) f(bytes[i - word], i);
    }
}

/// The first access to an array in shared memory: with it, does the block still have room?
void count_in(Space& space, unsigned pc) {
    space.touched = true;
    if (!space.shared() || space.begin == reinterpret_cast<uintptr_t>(dynamic_shared())) return;
    constexpr unsigned STATIC_MOST = 48 << 10;
    static_bytes += space.end - space.begin;
    if (static_bytes > STATIC_MOST || static_bytes + dynamic_bytes > shared_most)
        STOP("shared memory", pc,
             "comes to %u static bytes and %u dynamic ones: at most %u, and %u in all, are "
             "possible",
             static_bytes, dynamic_bytes, STATIC_MOST, shared_most);
}

[[noreturn]] void report_outside(uintptr_t address, unsigned bytes, bool write, unsigned pc) {
    if (address < 4096)
        STOP("out of bounds", pc, "%s byte %zu of a null pointer", verb(write), address);
    const auto gap = [&](const Space& space) {
        if (address < space.begin) return space.begin - address;
        return address + bytes - space.end;
    };
    const auto is_nearer = [&](const Space& a, const Space& b) { return gap(a) < gap(b); };
    const Space& nearest = *std::min_element(spaces.begin(), spaces.end(), is_nearer);
    STOP("out of bounds", pc,
         "%s %u bytes outside of the launch's memory; the nearest is %s, which has %zu bytes",
         verb(write), bytes, place(nearest, address), size_t(nearest.end - nearest.begin));
}

/// A thread writes to global memory: none of its own copies may still read there. (Those of other
/// threads are checked when they are waited for.)
void check_own_copies(const Space& space, uintptr_t address, unsigned bytes, unsigned pc) {
    for (const Copy& copy : me->copies) {
        const bool overlap = copy.from < address + bytes && address < copy.from + copy.bytes;
        if (copy.valid && overlap)
            STOP("cp.async", pc,
                 "writes %s, which its cp.async at @%x may still read: no wait has covered it",
                 place(space, address), copy.pc);
    }
}

}  // namespace

void access(uintptr_t address, unsigned bytes, bool write, unsigned pc) {
    Space& space = *find(address);
    if (address < space.begin || address + bytes > space.end)
        report_outside(address, bytes, write, pc);
    if (counting)
        requests.push_back({address - space.begin, ticks.barrier, pc, me->number, uint16_t(bytes),
                            uint16_t(!space.shared())});
    if (!space.touched) count_in(space, pc);
    each(space, address, address + bytes,
         [&](Cell& cell, uintptr_t at) { check(cell, {space, at, write, pc}); });
    if (write && !space.shared()) check_own_copies(space, address, bytes, pc);
}

bool in_global(const void* pointer) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
    const Space& space = *find(address);
    return !space.shared() && address < space.end;
}

void read_source(const Copy& copy) {
    if (!copy.valid) return;
    Space& source = *find(copy.from);
    each(source, copy.from, copy.from + copy.bytes,
         [&](Cell& cell, uintptr_t at) { check(cell, {source, at, false, copy.pc}); });
}

void mark(const Copy& copy, bool pending) {
    each(*find(copy.to), copy.to, copy.to + copy.bytes, [&](Cell& cell, uintptr_t) {
        cell.pending = pending;
        cell.write.time = me->time;
    });
}

unsigned offset_in_library(const void* code) {
    return static_cast<const char*>(code) - &__ehdr_start;
}

// ---- a launch ----------------------------------------------------------------------------------

namespace {

/// Tick; long before the clock would wrap, begin again.
void start_clock() {
    if (ticks.now > 1u << 31) {
        ticks.now = 0;
        std::fill(cells.begin(), cells.end(), Cell());
    }
    ++ticks.now;
    ticks.launch = ticks.now;
}

/// The memory that this launch may touch, in ascending order.
void find_spaces(const Launch& launch) {
    const uintptr_t dynamic = reinterpret_cast<uintptr_t>(dynamic_shared());
    // reading the variable makes sure that this thread has its thread-local block
    const uintptr_t shared =
        reinterpret_cast<uintptr_t>(&thread_local_block) + thread_local_block - 1;
    spaces = {{dynamic, dynamic + launch.shared, -1, false, false, nullptr}};
    for (size_t i = 0; i < launch.array_count; ++i) {
        const Array& array = launch.arrays[i];
        uintptr_t begin = array.begin;
        if (array.argument < 0) begin += shared;
        const bool write_only = array.write_only != 0;
        spaces.push_back({begin, begin + array.bytes, array.argument, write_only, false, nullptr});
    }
    std::sort(spaces.begin(), spaces.end(),
              [](const Space& a, const Space& b) { return a.begin < b.begin; });
    recent = spaces.data();
}

/// Every space gets a cell for each of its words, the first and the last of which may be partial.
void hand_out_cells() {
    const auto words = [](const Space& space) { return (space.end - space.begin) / 4 + 2; };
    size_t needed = 0;
    for (const Space& space : spaces) needed += words(space);
    if (cells.size() < needed) cells.resize(needed);
    Cell* free = cells.data();
    for (Space& space : spaces) {
        space.cells = free;
        free += words(space);
    }
}

/// Report the first byte of an output that nobody has written.
void check_is_written(const Space& space) {
    size_t missing = 0;
    size_t first = 0;
    each(space, space.begin, space.end, [&](Cell& cell, uintptr_t at) {
        if (cell.write.time >= ticks.launch) return;
        if (missing == 0) first = at - space.begin;
        ++missing;
    });
    if (missing > 0)
        report("not written",
               "argument %d is to be written whole: "
               "from byte %zu of its %zu bytes on, some are not",
               space.argument, first, size_t(space.end - space.begin));
}

}  // namespace

void begin_launch(const Launch& launch) {
    counting = launch.counting;
    requests.clear();
    crowds.clear();
    bytes_of.clear();
    start_clock();
    static_bytes = 0;
    dynamic_bytes = launch.shared;
    shared_most = launch.shared_most;
    find_spaces(launch);
    hand_out_cells();
}

void end_launch(Report& result) {
    for (const Space& space : spaces)
        if (space.write_only) check_is_written(space);
    result.requests = requests.data();
    result.request_count = requests.size();
}

}  // namespace host
