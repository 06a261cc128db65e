#include "fibers/context/stack_slab.hpp"

#include "fibers/context/stack_poison.hpp"

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include <sys/mman.h>

namespace tombolo::kernel {

namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t colours = 16;

std::size_t bytes_of_records(std::size_t slots) noexcept {
    const std::size_t page = page_size();
    return (slots * sizeof(stack) + page - 1) / page * page;
}

// MAP_STACK keeps huge pages out since Linux 6.7; madvise does it before.
std::byte* map_quietly(std::size_t bytes) noexcept {
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        return nullptr;
    }
    const int error = errno;
    ::madvise(memory, bytes, MADV_NOHUGEPAGE);  // refused where the kernel has no huge pages: nothing to forbid then
    errno = error;
    return static_cast<std::byte*>(memory);
}

}  // namespace

slot_layout::slot_layout(std::size_t stack_size) noexcept
    : stack_bytes(stack_size), guard_bytes(guard_size(stack_size)) {
    if (bytes() / page_size() % 2 == 0) {
        guard_bytes += page_size();
    }
}

stack_slab::stack_slab(const slot_layout& layout, std::size_t slots) : layout_(layout) {
    for (slots_ = slots; slots_ > 0; slots_ /= 2) {
        mapped_bytes_ = bytes_of_records(slots_) + slots_ * layout.bytes();
        mapping_ = map_quietly(mapped_bytes_);
        if (mapping_ != nullptr) {
            first_slot_ = mapping_ + bytes_of_records(slots_);
            return;
        }
    }
    throw std::system_error(errno, std::generic_category(), "mmap");
}

stack_slab::stack_slab(stack_slab&& other) noexcept
    : layout_(other.layout_),
      mapping_(std::exchange(other.mapping_, nullptr)),
      first_slot_(other.first_slot_),
      mapped_bytes_(other.mapped_bytes_),
      slots_(other.slots_),
      cut_(other.cut_),
      split_mappings_(other.split_mappings_),
      valgrind_(std::move(other.valgrind_)) {}

stack_slab& stack_slab::operator=(stack_slab&& other) noexcept {
    if (this != &other) {
        unmap();
        layout_ = other.layout_;
        mapping_ = std::exchange(other.mapping_, nullptr);
        first_slot_ = other.first_slot_;
        mapped_bytes_ = other.mapped_bytes_;
        slots_ = other.slots_;
        cut_ = other.cut_;
        split_mappings_ = other.split_mappings_;
        valgrind_ = std::move(other.valgrind_);
    }
    return *this;
}

stack_slab::~stack_slab() { unmap(); }

std::byte* stack_slab::next_slot() const noexcept { return first_slot_ + cut_ * layout_.bytes(); }

int stack_slab::guard_next_slot(guard_kind kind) noexcept {
    const guard_result result = install_guard(next_slot(), layout_.guard_bytes, kind);
    if (result.kind == guard_kind::mprotect && result.error == 0) {
        ++split_mappings_;
    }
    return result.error;
}

stack& stack_slab::cut(stack_class& owner) noexcept {
    std::byte* const slot = next_slot();
    const std::size_t colour = cut_ % colours * cache_line;
    stack* const record = std::construct_at(reinterpret_cast<stack*>(mapping_) + cut_);
    record->base = slot + layout_.guard_bytes;
    record->top = slot + layout_.bytes() - colour;
    record->owner = &owner;
    record->next_free = nullptr;
    record->guard_bytes = static_cast<std::uint32_t>(layout_.guard_bytes);
    record->colour = static_cast<std::uint32_t>(colour);
    valgrind_.add(record->base, slot + layout_.bytes());
    ++cut_;
    return *record;
}

void stack_slab::disown() noexcept {
    for (std::size_t i = 0; i < cut_; ++i) {
        records()[i].owner = nullptr;
    }
}

stack* stack_slab::records() const noexcept { return std::launder(reinterpret_cast<stack*>(mapping_)); }

void stack_slab::unmap() noexcept {
    if (mapping_ != nullptr) {
        valgrind_.remove_all();
        make_readable(first_slot_, cut_ * layout_.bytes());
        ::munmap(mapping_, mapped_bytes_);
        forget_split_mappings(split_mappings_);
        mapping_ = nullptr;
    }
}

}  // namespace tombolo::kernel
