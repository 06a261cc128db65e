#pragma once

#include <cstddef>
#include <vector>

namespace tombolo::kernel {

// Stacks that valgrind knows about. It cannot tell a switch to another stack from one stack that grows or shrinks by the
// distance, and would take what lies between for fresh or dead memory.
//
// Does nothing unless the process runs under valgrind and the library was built with valgrind's header.
class valgrind_stacks {
public:
    void add(const std::byte* low, const std::byte* high);
    void remove_all() noexcept;

private:
    std::vector<unsigned> ids_;
};

// While it lives, memcheck accepts that this thread reads what no frame owns any more.
class valgrind_silence {
public:
    valgrind_silence() noexcept;
    valgrind_silence(const valgrind_silence&) = delete;
    valgrind_silence& operator=(const valgrind_silence&) = delete;
    ~valgrind_silence();
};

}  // namespace tombolo::kernel
