#pragma once

namespace tombolo::lowlevel {

/// Waits until the descriptor is readable (or writable), at its end, or in error. A wake-up may be spurious: try the
/// operation on a non-blocking descriptor and wait again if it would block. One task may wait for each direction.
///
/// Checkpoint: always. Cancellation: ends the wait; the descriptor is untouched.
/// Throws: busy_resource when another task waits for that direction; closed_resource when notify_closing was called;
/// invalid_descriptor for a negative one; std::system_error from epoll (a closed descriptor; a regular file, which is always
/// ready and cannot be waited for); cancelled; not_in_task and its kin.
/// Source: trio.lowlevel.wait_readable, wait_writable.
void wait_readable(int fd);
void wait_writable(int fd);

/// Tells the run that a descriptor is about to be closed: tasks that wait for it wake with closed_resource. Order: mark your
/// own object as closed, call this, close the descriptor, with no checkpoint in between. Harmless for descriptors that
/// nobody waits for.
/// Checkpoint: never. Throws: not_in_run. Source: trio.lowlevel.notify_closing.
void notify_closing(int fd);

}  // namespace tombolo::lowlevel
