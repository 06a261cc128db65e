#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/stream.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace tombolo::kernel {

/// A stream of any type under check. The batteries call only what it has.
class checked_end {
public:
    virtual ~checked_end() = default;
    virtual void send_all(const_bytes bytes) = 0;
    virtual void wait_send_all_might_not_block() = 0;
    virtual void send_eof() = 0;
    virtual std::size_t receive_some(mutable_bytes buffer) = 0;
    virtual void aclose() = 0;
    virtual void close() noexcept = 0;
};

template <class Stream>
class checked_end_of final : public checked_end {
public:
    explicit checked_end_of(Stream stream) : stream_(std::move(stream)) {}

    void send_all(const_bytes bytes) override {
        if constexpr (is_send_stream<Stream>) stream_.send_all(bytes);
    }
    void wait_send_all_might_not_block() override {
        if constexpr (is_send_stream<Stream>) stream_.wait_send_all_might_not_block();
    }
    void send_eof() override {
        if constexpr (is_half_closeable_stream<Stream>) stream_.send_eof();
    }
    std::size_t receive_some(mutable_bytes buffer) override {
        if constexpr (is_receive_stream<Stream>)
            return stream_.receive_some(buffer);
        else
            return 0;
    }
    void aclose() override { stream_.aclose(); }
    void close() noexcept override { stream_.close(); }

private:
    Stream stream_;
};

struct checked_pair {
    std::unique_ptr<checked_end> first;
    std::unique_ptr<checked_end> second;
};

/// Empty: there is no such pair.
using make_checked_pair = std::function<checked_pair()>;

template <class MakePair>
make_checked_pair checked(MakePair& make_pair) {
    if constexpr (std::invocable<MakePair&>) {
        return [&make_pair] {
            auto made = make_pair();
            using first = checked_end_of<decltype(made.first)>;
            using second = checked_end_of<decltype(made.second)>;
            return checked_pair{
                std::make_unique<first>(std::move(made.first)), std::make_unique<second>(std::move(made.second))};
        };
    } else {
        return {};
    }
}

/// The batteries of tombolo/testing/stream_checks.hpp.
void check_one_way_stream(const make_checked_pair& make_pair, const make_checked_pair& make_clogged_pair);
void check_two_way_stream(const make_checked_pair& make_pair, const make_checked_pair& make_clogged_pair);
void check_half_closeable_stream(const make_checked_pair& make_pair, const make_checked_pair& make_clogged_pair);

/// The parts of check_one_way_stream().
void check_transfer(const make_checked_pair& make_pair);
void check_closing(const make_checked_pair& make_pair);
void check_cancelling(const make_checked_pair& make_pair);
void check_clogged(const make_checked_pair& make_clogged_pair);

}  // namespace tombolo::kernel
