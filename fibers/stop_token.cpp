#include <tombolo/fibers/stop_token.hpp>

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_token.hpp>

#include <optional>
#include <string>

namespace tombolo {

namespace kernel {

struct stop_link {
    /// What a posted call finds when it comes: no scope, once the link is gone. On the run's thread only.
    struct target {
        cancel_scope* scope;
        std::string reason;

        void cancel() {
            if (scope != nullptr) scope->cancel(reason);
        }
    };

    struct on_stop {
        stop_link& link;
        void operator()() const { link.stop(); }
    };

    stop_link(cancel_scope& scope, std::stop_token token, std::string_view reason)
        : cancels(std::make_shared<target>(target{&scope, std::string(reason)})) {
        callback.emplace(std::move(token), on_stop{*this});
    }
    stop_link(const stop_link&) = delete;
    stop_link& operator=(const stop_link&) = delete;
    ~stop_link() {
        callback.reset();
        cancels->scope = nullptr;
    }

    /// On the thread that requests.
    void stop() {
        if (in_run() && lowlevel::current_run_token() == run) return cancels->cancel();
        try {
            run.run_sync_soon([cancels = cancels] { cancels->cancel(); });
        } catch (const run_finished&) {
            // Then nothing is left to be cancelled.
        }
    }

    lowlevel::run_token run = lowlevel::current_run_token();
    std::shared_ptr<target> cancels;
    std::optional<std::stop_callback<on_stop>> callback;
};

namespace {

std::unique_ptr<stop_link> make_link(cancel_scope& scope, std::stop_token token, std::string_view reason) {
    if (!in_run())
        throw not_in_run("cancel_on_stop: no run is active on this thread; make it in the run whose scope it cancels");
    static_cast<void>(scope.cancel_called());  // refuses another thread's scope
    if (!token.stop_possible()) return nullptr;
    if (reason.empty()) reason = "a stop was requested through its std::stop_token";
    return std::make_unique<stop_link>(scope, std::move(token), reason);
}

}  // namespace
}  // namespace kernel

cancel_on_stop::cancel_on_stop(cancel_scope& scope, std::stop_token token, std::string_view reason)
    : link_(kernel::make_link(scope, std::move(token), reason)) {}

cancel_on_stop::~cancel_on_stop() = default;

scope_stop_source::scope_stop_source(cancel_scope& scope)
    : watch_(scope, [source = source_]() mutable { source.request_stop(); }) {}

}  // namespace tombolo
