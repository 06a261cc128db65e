#ifndef TOMBOLO_BENCHMARKS_NET_SERVER_KINDS_H
#define TOMBOLO_BENCHMARKS_NET_SERVER_KINDS_H

#include "conversation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Each serves a non-blocking listening socket in the calling thread until the process is killed. */

/* The reference: a loop over epoll_wait by hand. */
void serve_with_epoll(int listener, enum service service);
/* Boost.Asio with completion handlers. */
void serve_with_asio_callbacks(int listener, enum service service);
/* Boost.Asio with C++20 coroutines. */
void serve_with_asio_awaitables(int listener, enum service service);
/* Boost.Fiber, its fibers waiting for Boost.Asio. */
void serve_with_boost_fiber(int listener, enum service service);
void serve_with_libuv(int listener, enum service service);
/* A task for each connection, blocking style, on net::tcp_stream. */
void serve_with_tombolo(int listener, enum service service);

#ifdef __cplusplus
}
#endif

#endif
