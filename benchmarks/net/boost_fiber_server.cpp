#include "asio_sockets.hpp"
#include "server_kinds.h"

#include <boost/asio/write.hpp>
#include <boost/fiber/algo/algorithm.hpp>
#include <boost/fiber/context.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/scheduler.hpp>

#include <chrono>
#include <memory>
#include <utility>

namespace bench::net {

namespace {

namespace fibers = boost::fibers;

/// Round robin; when no fiber is ready, the thread waits in the io_context, whose handlers make fibers ready.
class asio_round_robin final : public fibers::algo::algorithm {
public:
    explicit asio_round_robin(asio::io_context& context) : context_(context) {}

    void awakened(fibers::context* ready) noexcept override { ready->ready_link(ready_); }
    fibers::context* pick_next() noexcept override {
        if (ready_.empty()) return nullptr;
        fibers::context* next = &ready_.front();
        ready_.pop_front();
        return next;
    }
    bool has_ready_fibers() const noexcept override { return !ready_.empty(); }
    void suspend_until(const std::chrono::steady_clock::time_point& until) noexcept override {
        if (until == std::chrono::steady_clock::time_point::max())
            context_.run_one();
        else
            context_.run_one_until(until);
        // What is ready as well: a batch of fibers for one wait.
        context_.poll();
    }
    void notify() noexcept override {}

private:
    asio::io_context& context_;
    fibers::scheduler::ready_queue_type ready_{};
};

struct outcome {
    boost::system::error_code error{};
    std::size_t count = 0;
};

/// Starts an operation of Asio and suspends the fiber until its handler was called, never inside the start.
template <class Start>
outcome wait_for(Start start) {
    outcome seen;
    fibers::context* self = fibers::context::active();
    start([&seen, self](boost::system::error_code error, std::size_t count) {
        seen = {error, count};
        fibers::context::active()->schedule(self);
    });
    self->suspend();
    return seen;
}

void converse(asio_socket socket, service of) {
    conversation talk;
    conversation_begin(&talk, of);
    tune(socket);
    for (bool last = false; !last;) {
        const outcome received = wait_for([&](auto done) { socket.async_read_some(room_of(talk), std::move(done)); });
        if (received.error) return;
        answer rest = conversation_received(&talk, received.count);
        if (rest.size > 0) send_at_once(socket, rest);
        if (rest.size > 0) {
            const outcome sent = wait_for(
                [&](auto done) { asio::async_write(socket, asio::buffer(rest.data, rest.size), std::move(done)); });
            if (sent.error) return;
        }
        last = rest.last;
    }
}

}  // namespace

}  // namespace bench::net

void serve_with_boost_fiber(int listener, service of) {
    using namespace bench::net;
    asio::io_context context(asio_alone);
    const auto keep_waiting = asio::make_work_guard(context);
    fibers::use_scheduling_algorithm<asio_round_robin>(context);
    asio_acceptor acceptor(context, asio::ip::tcp::v4(), listener);
    for (;;) {
        asio_socket socket(context);
        const outcome accepted = wait_for([&](auto done) {
            acceptor.async_accept(
                socket, [done = std::move(done)](boost::system::error_code error) mutable { done(error, 0); });
        });
        if (!accepted.error) fibers::fiber(converse, std::move(socket), of).detach();
    }
}
