#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>

namespace tombolo {

/// What can limit threads: capacity_limiter, or any object with its two verbs. acquire_on_behalf_of is called in the task
/// and may block it; release_on_behalf_of is called by the run, and must not block. The borrower is an address that is no
/// one else's until the release.
template <class Limiter>
concept thread_limiter = requires(Limiter& limiter, const void* borrower) {
    limiter.acquire_on_behalf_of(borrower);
    limiter.release_on_behalf_of(borrower);
};

/// Some thread_limiter, by pointer; or none.
///
/// Lifetime: a limiter given as a plain pointer outlives its borrowers (or the run); one given as a shared_ptr is kept alive.
class thread_limiter_ref {
public:
    thread_limiter_ref() noexcept = default;
    thread_limiter_ref(std::nullptr_t) noexcept {}

    template <thread_limiter Limiter>
    thread_limiter_ref(Limiter* limiter) noexcept : limiter_(limiter), verbs_(&verbs_of<Limiter>) {}

    template <thread_limiter Limiter>
    thread_limiter_ref(std::shared_ptr<Limiter> limiter) noexcept
        : limiter_(limiter.get()), verbs_(&verbs_of<Limiter>), owner_(std::move(limiter)) {}

    explicit operator bool() const noexcept { return limiter_ != nullptr; }

    /// The same limiter, marked as one that goes with its run.
    thread_limiter_ref of_run() const {
        thread_limiter_ref marked = *this;
        marked.outlives_run_ = false;
        return marked;
    }
    bool outlives_run() const noexcept { return outlives_run_; }

    /// Requires: there is a limiter.
    void acquire_on_behalf_of(const void* borrower) const { verbs_->acquire(limiter_, borrower); }
    void release_on_behalf_of(const void* borrower) const { verbs_->release(limiter_, borrower); }

private:
    struct verbs {
        void (*acquire)(void* limiter, const void* borrower);
        void (*release)(void* limiter, const void* borrower);
    };

    template <class Limiter>
    static constexpr verbs verbs_of{
        [](void* limiter, const void* borrower) { static_cast<Limiter*>(limiter)->acquire_on_behalf_of(borrower); },
        [](void* limiter, const void* borrower) { static_cast<Limiter*>(limiter)->release_on_behalf_of(borrower); }};

    void* limiter_ = nullptr;
    const verbs* verbs_ = nullptr;
    std::shared_ptr<void> owner_;
    bool outlives_run_ = true;
};

}  // namespace tombolo
