#include <tombolo/fibers/any_of.hpp>

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>

#include <string>

namespace tombolo::kernel {

void contest::finish(nursery& among, std::size_t place) {
    if (winner_ != nobody) return;
    winner_ = place;
    among.cancel_scope().cancel(std::string(name_) + ": another one finished first");
}

void contest::forget_failures_in(const base_exception_group& group) {
    auto [failures, rest] = group.split<std::exception>();
    if (failures != nullptr) failures_.push_back(std::move(failures));
    if (rest != nullptr) std::rethrow_exception(std::move(rest));
}

std::size_t contest::winner() {
    if (winner_ == nobody)
        std::rethrow_exception(make_exception_group(std::string(name_) + ": all of them failed", std::move(failures_)));
    return winner_;
}

void throw_nobody_competes(const char* what) {
    throw invalid_count(
        std::string(what) + ": the range has no functions, so there is nobody to be the first; give at least one");
}

}  // namespace tombolo::kernel
