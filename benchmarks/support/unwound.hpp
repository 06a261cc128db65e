#pragma once

#include <cstdint>

namespace bench {

/// A local of the tasks that are cancelled: proves that their stacks were unwound, and gives the unwinder work to do.
class unwound {
public:
    explicit unwound(std::int64_t& count) : count_{count} {}
    unwound(const unwound&) = delete;
    unwound& operator=(const unwound&) = delete;
    ~unwound() { ++count_; }

private:
    std::int64_t& count_;
};

}  // namespace bench
