#pragma once

#include <tombolo/base/unique_function.hpp>

#include <cstddef>

namespace tombolo::kernel {

/// One queued run_sync_soon call.
struct entry_job {
    entry_job* next = nullptr;
    unique_function<void()> job;
};

/// A job record for the calling thread: recycled where there is one. Callable from: any thread.
entry_job& obtain_entry_job();

/// Jobs on their way back to the threads that post. Whoever calls jobs collects them here and gives them back in one go.
class spent_entry_jobs {
public:
    spent_entry_jobs() = default;
    spent_entry_jobs(const spent_entry_jobs&) = delete;
    spent_entry_jobs& operator=(const spent_entry_jobs&) = delete;
    ~spent_entry_jobs() { give_back(); }

    void add(entry_job& spent) noexcept;

private:
    void give_back() noexcept;

    static constexpr std::size_t keep_at_most = 65536;
    entry_job* first_ = nullptr;
    entry_job* last_ = nullptr;
    std::size_t count_ = 0;
};

}  // namespace tombolo::kernel
