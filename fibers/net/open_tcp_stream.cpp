#include <tombolo/fibers/net/open_tcp_stream.hpp>

#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/net/resolve.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <netinet/in.h>

namespace tombolo::net {

namespace {

/// The families take turns, beginning with the one that the resolver has put first; within a family its order is kept.
std::vector<endpoint> interleaved(const std::vector<endpoint>& found) {
    std::vector<endpoint> preferred;
    std::vector<endpoint> others;
    for (const endpoint& each : found) (each.family() == found.front().family() ? preferred : others).push_back(each);
    std::vector<endpoint> order;
    for (std::size_t i = 0; i < std::max(preferred.size(), others.size()); ++i) {
        if (i < preferred.size()) order.push_back(preferred[i]);
        if (i < others.size()) order.push_back(others[i]);
    }
    return order;
}

class race_to_connect {
public:
    race_to_connect(std::vector<endpoint> targets, const tcp_stream_options& options)
        : targets_(std::move(targets)), delay_(options.happy_eyeballs_delay), sequential_(options.sequential) {
        if (!options.local_address.empty()) local_ = endpoint(options.local_address, 0);
    }

    std::optional<tcp_stream> run() {
        std::deque<event> failed(targets_.size());
        open_nursery([&](nursery& attempts) {
            for (std::size_t i = 0; i < targets_.size() && !winner_; ++i) {
                attempts.start_soon([this, &attempts, &target = targets_[i], &done = failed[i]] {
                    attempt(target, attempts.cancel_scope());
                    done.set();
                });
                wait_for_failure(failed[i]);
            }
        });
        return std::move(winner_);
    }

    [[noreturn]] void throw_all_failed(std::string_view host, int port) {
        const std::string what = "open_tcp_stream: none of the " + std::to_string(targets_.size()) + " addresses of " +
            std::string(host) + ", port " + std::to_string(port) + ", could be connected to:" + reasons_;
        throw connect_error(
            first_error_, what, make_exception_group("all attempts to connect failed", std::move(errors_)));
    }

private:
    void wait_for_failure(event& failed) {
        if (sequential_)
            failed.wait();
        else
            move_on_after(delay_, [&] { failed.wait(); });
    }

    void attempt(const endpoint& target, cancel_scope& all) {
        try {
            socket connecting(target.family(), socket_type::stream);
            if (local_) bind_local(connecting, target);
            connecting.connect(target);
            if (winner_) return;
            winner_ = as_stream(std::move(connecting), target);
            all.cancel("another address has answered");
        } catch (const io_error& error) {
            if (errors_.empty()) first_error_ = error.number();
            errors_.push_back(std::current_exception());
            reasons_.append("\n  ").append(error.what());
        }
    }

    static tcp_stream as_stream(socket connected, const endpoint& target) {
        try {
            return tcp_stream(std::move(connected));
        } catch (const invalid_descriptor&) {
            throw io_error(ECONNRESET, "connect to " + target.to_string() + ", reset as soon as it was there");
        }
    }

    void bind_local(socket& connecting, const endpoint& target) const {
        if (local_.family() != target.family())
            throw io_error(
                EAFNOSUPPORT, "connect to " + target.to_string() + " from the local address " + local_.address());
        try {
            // The port is chosen when the other end is known, so that one port can serve many connections.
            if (connecting.fd() >= 0) connecting.set_option(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        } catch (const io_error&) {}
        connecting.bind(local_);
    }

    std::vector<endpoint> targets_;
    duration delay_;
    bool sequential_;
    endpoint local_;
    std::optional<tcp_stream> winner_;
    std::vector<std::exception_ptr> errors_;
    std::string reasons_;
    int first_error_ = 0;
};

}  // namespace

tcp_stream open_tcp_stream(std::string_view host, int port, const tcp_stream_options& options) {
    if (options.happy_eyeballs_delay < duration::zero())
        throw invalid_duration(
            "open_tcp_stream: happy_eyeballs_delay is negative; for one attempt at a time say .sequential = true");
    if (!options.local_address.empty()) static_cast<void>(endpoint(options.local_address, 0));
    race_to_connect race(interleaved(resolve(host, port)), options);
    std::optional<tcp_stream> winner = race.run();
    if (!winner) race.throw_all_failed(host, port);
    return *std::move(winner);
}

}  // namespace tombolo::net
