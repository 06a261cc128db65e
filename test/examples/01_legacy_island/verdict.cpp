#include "verdict.hpp"

#include <boost/beast/http/status.hpp>

#include <system_error>

namespace legacy_island {

namespace {

failure failure_of(const std::error_code& error) {
    using std::errc;
    if (error == errc::connection_refused) return failure::refused;
    if (error == errc::connection_reset || error == errc::broken_pipe) return failure::reset;
    if (error == errc::timed_out) return failure::timed_out;
    if (error == errc::network_unreachable || error == errc::host_unreachable || error == errc::network_down ||
        error == errc::address_not_available) {
        return failure::unreachable;
    }
    return failure::other;
}

}  // namespace

std::string describe(const verdict& one) {
    switch (one.why) {
    case failure::none:
        break;
    case failure::refused:
        return "refused";
    case failure::reset:
        return "reset";
    case failure::timed_out:
        return "timed out";
    case failure::bad_reply:
        return "bad reply";
    case failure::cut_short:
        return "cut short";
    case failure::body_too_large:
        return "body too large";
    case failure::unreachable:
        return "unreachable";
    case failure::unknown_host:
        return "unknown host";
    case failure::out_of_time:
        return "out of time";
    case failure::other:
        return one.detail;
    }
    const std::string code = std::to_string(one.got.status);
    if (one.fetched()) {
        return code;
    }
    namespace http = boost::beast::http;
    const auto reason = http::obsolete_reason(http::int_to_status(one.got.status));
    return code + " " + std::string(reason.data(), reason.size());
}

verdict verdict_of(const std::exception& error) {
    verdict one;
    one.detail = error.what();
    if (const auto* own = dynamic_cast<const fetch_error*>(&error)) {
        one.why = own->why;
    } else if (const auto* system = dynamic_cast<const std::system_error*>(&error)) {
        one.why = failure_of(system->code());
        one.detail = system->code().message();
    } else {
        one.why = failure::other;
    }
    return one;
}

}  // namespace legacy_island
