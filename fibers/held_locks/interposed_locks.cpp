// Functions that take the place of libc's in the whole program, tell the thread's table, and go on in libc. Waiting on a
// condition variable is not among them: what it releases it has again before anything can run on the thread, and its symbol
// has two versions, of which dlsym would find the wrong one.

#include "fibers/held_locks/lock_table.hpp"

#include <atomic>
#include <cerrno>
#include <ctime>

#include <dlfcn.h>
#include <pthread.h>

namespace tombolo::held_locks {

namespace {

constinit thread_local lock_table locks_of_this_thread;

using lock_kind = held_lock_report::lock_kind;

/// A function of libc, found at its first call. Several threads may find it at once, and find the same.
class libc_function {
public:
    constexpr explicit libc_function(const char* name) noexcept : name_(name) {}

    template <class... Arguments>
    int operator()(Arguments... arguments) noexcept {
        void* found = address_.load(std::memory_order_relaxed);
        if (found == nullptr) [[unlikely]] {
            found = ::dlsym(RTLD_NEXT, name_);
            if (found == nullptr) return ENOSYS;  // an older libc has no clock functions
            address_.store(found, std::memory_order_relaxed);
        }
        return reinterpret_cast<int (*)(Arguments...)>(found)(arguments...);
    }

private:
    const char* name_;
    std::atomic<void*> address_{nullptr};
};

/// Whether the caller has the lock now: also one whose last owner died, which is to be repaired.
bool acquired(int result) noexcept { return result == 0 || result == EOWNERDEAD; }

int note(int result, const volatile void* lock, lock_kind kind, void* caller) noexcept {
    if (acquired(result)) locks_of_this_thread.add(const_cast<const void*>(lock), kind, caller);
    return result;
}

}  // namespace

lock_table& this_thread_locks() noexcept { return locks_of_this_thread; }

}  // namespace tombolo::held_locks

#define TOMBOLO_FORWARD(name) \
    static constinit tombolo::held_locks::libc_function next { #name }
#define TOMBOLO_TAKES(name, kind, lock, ...)                                                     \
    TOMBOLO_FORWARD(name);                                                                       \
    return tombolo::held_locks::note(                                                            \
        next(lock __VA_OPT__(, ) __VA_ARGS__), lock, tombolo::held_lock_report::lock_kind::kind, \
        __builtin_extract_return_addr(__builtin_return_address(0)))
#define TOMBOLO_RELEASES(name, lock)                                                                                   \
    TOMBOLO_FORWARD(name);                                                                                             \
    tombolo::held_locks::this_thread_locks().remove(const_cast<const void*>(static_cast<const volatile void*>(lock))); \
    return next(lock)

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* lock) noexcept { TOMBOLO_TAKES(pthread_mutex_lock, mutex, lock); }
int pthread_mutex_trylock(pthread_mutex_t* lock) noexcept { TOMBOLO_TAKES(pthread_mutex_trylock, mutex, lock); }
int pthread_mutex_timedlock(pthread_mutex_t* lock, const timespec* until) noexcept {
    TOMBOLO_TAKES(pthread_mutex_timedlock, mutex, lock, until);
}
int pthread_mutex_clocklock(pthread_mutex_t* lock, clockid_t clock, const timespec* until) noexcept {
    TOMBOLO_TAKES(pthread_mutex_clocklock, mutex, lock, clock, until);
}
int pthread_mutex_unlock(pthread_mutex_t* lock) noexcept { TOMBOLO_RELEASES(pthread_mutex_unlock, lock); }

int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept { TOMBOLO_TAKES(pthread_rwlock_rdlock, read_lock, lock); }
int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) noexcept {
    TOMBOLO_TAKES(pthread_rwlock_tryrdlock, read_lock, lock);
}
int pthread_rwlock_timedrdlock(pthread_rwlock_t* lock, const timespec* until) noexcept {
    TOMBOLO_TAKES(pthread_rwlock_timedrdlock, read_lock, lock, until);
}
int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) noexcept {
    TOMBOLO_TAKES(pthread_rwlock_clockrdlock, read_lock, lock, clock, until);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept { TOMBOLO_TAKES(pthread_rwlock_wrlock, write_lock, lock); }
int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) noexcept {
    TOMBOLO_TAKES(pthread_rwlock_trywrlock, write_lock, lock);
}
int pthread_rwlock_timedwrlock(pthread_rwlock_t* lock, const timespec* until) noexcept {
    TOMBOLO_TAKES(pthread_rwlock_timedwrlock, write_lock, lock, until);
}
int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) noexcept {
    TOMBOLO_TAKES(pthread_rwlock_clockwrlock, write_lock, lock, clock, until);
}
int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept { TOMBOLO_RELEASES(pthread_rwlock_unlock, lock); }

int pthread_spin_lock(pthread_spinlock_t* lock) noexcept { TOMBOLO_TAKES(pthread_spin_lock, spin_lock, lock); }
int pthread_spin_trylock(pthread_spinlock_t* lock) noexcept { TOMBOLO_TAKES(pthread_spin_trylock, spin_lock, lock); }
int pthread_spin_unlock(pthread_spinlock_t* lock) noexcept { TOMBOLO_RELEASES(pthread_spin_unlock, lock); }

}  // extern "C"
