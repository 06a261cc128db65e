#pragma once

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/resolve.hpp>
#include <tombolo/fibers/net/socket_backend.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

// A network in which everything goes as a test has written it down: which addresses a name has, when and how each connect
// ends, what each accept brings. Nothing is ever carried by it.
namespace tombolo::testing {

/// How connecting to an address ends.
struct planned_connect {
    duration after = duration::zero();
    int error = 0;
};

/// What the sockets of a scripted_network did.
struct connect_record {
    std::string address;
    duration at;  ///< since the network was made
};

class scripted_network final : public net::socket_provider, public net::resolver {
public:
    scripted_network()
        : began_(now()), provider_before_(net::set_socket_provider(this)), resolver_before_(net::set_resolver(this)) {}
    scripted_network(const scripted_network&) = delete;
    scripted_network& operator=(const scripted_network&) = delete;
    ~scripted_network() override {
        net::set_socket_provider(provider_before_);
        net::set_resolver(resolver_before_);
    }

    // What the test writes down.
    std::vector<std::string> addresses;               ///< what every name resolves to, in this order
    std::map<std::string, planned_connect> connects;  ///< by address; those not named connect at once
    std::map<std::string, int> bind_errors;           ///< by address
    std::set<net::family> missing_families;
    std::deque<int>
        accepts;  ///< each accept: 0 for a connection, else its errno, the last one for ever; then they wait
    std::function<void(int level, int name)> on_option = [](int, int) {};

    // What happened.
    int open_sockets = 0;
    std::vector<connect_record> connected;  ///< attempts, when they began
    std::vector<std::string> won;           ///< connects that succeeded
    std::vector<duration> accepted_at;      ///< attempts to accept
    std::vector<int> backlogs;
    std::vector<std::string> bound;

    std::unique_ptr<net::socket_backend> open(net::family family, net::socket_type type) override {
        if (missing_families.contains(family)) throw io_error(EAFNOSUPPORT, "scripted socket");
        return std::make_unique<backend>(*this, family, type);
    }

    std::vector<net::endpoint> resolve(
        std::string_view, std::uint16_t port, const net::resolve_options& options) override {
        checkpoint();
        std::vector<net::endpoint> found;
        for (const std::string& each : addresses) found.emplace_back(each, port);
        if (options.family != net::family::unspecified)
            std::erase_if(found, [&](const net::endpoint& each) { return each.family() != options.family; });
        return found;
    }

    std::string resolve_name(const net::endpoint& of) override {
        checkpoint();
        return "host-of-" + of.address();
    }

    duration elapsed() const { return now() - began_; }

private:
    class backend final : public net::socket_backend {
    public:
        backend(scripted_network& network, net::family family, net::socket_type type)
            : network_(&network), family_(family), type_(type) {
            ++network_->open_sockets;
        }
        backend(const backend&) = delete;
        backend& operator=(const backend&) = delete;
        ~backend() override { close(); }

        net::family family() const noexcept override { return family_; }
        net::socket_type type() const noexcept override { return type_; }

        void bind(const net::endpoint& to) override {
            checkpoint();
            const auto refused = network_->bind_errors.find(to.address());
            if (refused != network_->bind_errors.end())
                throw io_error(refused->second, "scripted bind to " + to.to_string());
            local_ = to;
            network_->bound.push_back(to.address());
        }

        void listen(int backlog) override { network_->backlogs.push_back(backlog); }

        std::pair<std::unique_ptr<net::socket_backend>, net::endpoint> accept() override {
            network_->accepted_at.push_back(network_->elapsed());
            if (network_->accepts.empty()) {
                waiting_.park();
                throw closed_resource("scripted accept: closed");
            }
            const int error = network_->accepts.front();
            if (network_->accepts.size() > 1 || error == 0) network_->accepts.pop_front();
            checkpoint();
            if (error != 0) throw io_error(error, "scripted accept");
            auto connection = std::make_unique<backend>(*network_, family_, type_);
            connection->local_ = local_;
            connection->remote_ = net::endpoint("192.0.2.1", 4);
            return {std::move(connection), net::endpoint("192.0.2.1", 4)};
        }

        void connect(const net::endpoint& to) override {
            network_->connected.push_back({to.address(), network_->elapsed()});
            const planned_connect plan = network_->connects[to.address()];
            try {
                sleep_for(plan.after);
            } catch (...) {
                close();
                throw;
            }
            if (plan.error != 0) throw io_error(plan.error, "scripted connect to " + to.to_string());
            remote_ = to;
            network_->won.push_back(to.address());
        }

        std::size_t receive(std::span<const mutable_bytes>, net::received_from&, int) override {
            checkpoint();
            return 0;
        }
        std::size_t send(std::span<const const_bytes> buffers, const net::endpoint*, int) override {
            checkpoint();
            std::size_t size = 0;
            for (const const_bytes& each : buffers) size += each.size();
            return size;
        }
        std::optional<std::size_t> try_receive(mutable_bytes, int) override { return 0; }
        std::optional<std::size_t> try_send(const_bytes bytes, int) override { return bytes.size(); }
        void shutdown(net::shutdown_side) override {}
        bool is_readable() override { return true; }
        void wait_readable() override { checkpoint(); }
        void wait_writable() override { checkpoint(); }
        void set_option(int level, int name, int) override { network_->on_option(level, name); }
        int option(int, int) const override { return 0; }
        void close() noexcept override {
            if (!std::exchange(open_, false)) return;
            --network_->open_sockets;
            waiting_.unpark_all();
        }

        net::endpoint local_endpoint() const override { return local_; }
        net::endpoint remote_endpoint() const override {
            if (!remote_) throw io_error(ENOTCONN, "scripted remote_endpoint");
            return remote_;
        }

    private:
        scripted_network* network_;
        net::family family_;
        net::socket_type type_;
        net::endpoint local_;
        net::endpoint remote_;
        lowlevel::parking_lot waiting_;
        bool open_ = true;
    };

    time_point began_;
    net::socket_provider* provider_before_;
    net::resolver* resolver_before_;
};

}  // namespace tombolo::testing
