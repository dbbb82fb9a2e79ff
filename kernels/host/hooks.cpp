/* What g++ calls in a kernel that is compiled with -fsanitize=thread and undefined: a function
   before every access to memory, and one where C++ leaves undefined what the kernel does. */

#include "thread.h"

extern "C" __attribute__((visibility("hidden"))) char __ehdr_start, _end;   // of this library

namespace host {

// ---- -fsanitize=thread: accesses ---------------------------------------------------------------

namespace {

__attribute__((always_inline)) inline void hook(const void* pointer, size_t bytes,
                                                size_t alignment, bool write) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
    const bool own = address - me->stack < STACK;       // the thread's registers and local memory
    if (own) return;
    const bool in_library = pointer >= &__ehdr_start && pointer < &_end;
    if (!write && in_library) return;                   // a constant, or another lane's slot
    if (address % alignment)
        STOP("misaligned", CALLER, "%s %zu bytes at an address that is no multiple of %zu",
             write ? "writes" : "reads", bytes, alignment);
    access(address, bytes, write, CALLER);
}

}  // namespace

#define HOOKS(size)                                                                       \
    void __tsan_read##size(void* address) { hook(address, size, size, false); }           \
    void __tsan_write##size(void* address) { hook(address, size, size, true); }           \
    void __tsan_unaligned_read##size(void* address) { hook(address, size, 1, false); }    \
    void __tsan_unaligned_write##size(void* address) { hook(address, size, 1, true); }

extern "C" {
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
void __tsan_read_range(void* address, size_t bytes) { hook(address, bytes, 1, false); }
void __tsan_write_range(void* address, size_t bytes) { hook(address, bytes, 1, true); }
void __tsan_init() {}
}

// ---- -fsanitize=undefined and bounds -----------------------------------------------------------

// What g++ passes begins with the place in the source.
struct Source {
    const char* file;
    unsigned line, column;
};

#define UNDEFINED(name)                                                                   \
    extern "C" void __ubsan_handle_##name##_abort(const Source* source) {                 \
        STOP("undefined", CALLER,                                                         \
             "does what C++ leaves undefined: " #name ", in column %u of the line",       \
             source->column);                                                             \
    }

UNDEFINED(add_overflow)
UNDEFINED(sub_overflow)
UNDEFINED(mul_overflow)
UNDEFINED(negate_overflow)
UNDEFINED(divrem_overflow)
UNDEFINED(shift_out_of_bounds)
UNDEFINED(out_of_bounds)
UNDEFINED(pointer_overflow)
UNDEFINED(type_mismatch_v1)
UNDEFINED(alignment_assumption)
UNDEFINED(float_cast_overflow)
UNDEFINED(load_invalid_value)
UNDEFINED(vla_bound_not_positive)
UNDEFINED(invalid_builtin)
UNDEFINED(nonnull_arg)

}  // namespace host
