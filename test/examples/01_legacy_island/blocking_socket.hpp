#pragma once

#include "resource.hpp"

#include <chrono>
#include <cstddef>

namespace legacy_island {

/// The mainland's socket: each call blocks the thread. The deadline has to be carried along by hand, through every
/// call, because blocking calls know no other way; an island needs none of this.
/// Throws: std::system_error, with ETIMEDOUT when the deadline comes first.
class blocking_socket {
public:
    explicit blocking_socket(std::chrono::steady_clock::time_point deadline) : deadline_(deadline) {}
    ~blocking_socket();
    blocking_socket(const blocking_socket&) = delete;
    blocking_socket& operator=(const blocking_socket&) = delete;

    void connect(const address& peer);
    std::size_t send_some(const char* data, std::size_t size);
    std::size_t receive_some(char* data, std::size_t size);

private:
    void close();
    void wait_for(short events) const;

    std::chrono::steady_clock::time_point deadline_;
    int fd_ = -1;
};

}  // namespace legacy_island
