#include "server_kinds.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Registered once, edge-triggered; a short read ends the turn without a second call. Only a socket that does not take
 * all of an answer costs further calls. */

struct connection {
    int fd;
    bool blocked; /* waits until it may send the rest of an answer */
    struct answer rest;
    struct conversation talk;
};

static void require(bool holds) {
    if (!holds) abort();
}

static void watch(int epoll, int operation, struct connection* peer, uint32_t events) {
    struct epoll_event event = {.events = events | EPOLLET, .data.ptr = peer};
    require(epoll_ctl(epoll, operation, peer->fd, &event) == 0);
}

static void hang_up(struct connection* peer) {
    close(peer->fd);
    free(peer);
}

enum progress { sent_all, would_block, broken };

static enum progress send_rest(struct connection* peer) {
    while (peer->rest.size > 0) {
        const ssize_t count = send(peer->fd, peer->rest.data, peer->rest.size, MSG_NOSIGNAL);
        if (count < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN ? would_block : broken;
        }
        peer->rest.data += count;
        peer->rest.size -= (size_t)count;
    }
    return sent_all;
}

/* Returns false when the connection is over. */
static bool converse(int epoll, struct connection* peer, uint32_t events) {
    const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    for (;;) {
        switch (send_rest(peer)) {
        case broken:
            return false;
        case would_block:
            if (!peer->blocked) watch(epoll, EPOLL_CTL_MOD, peer, EPOLLOUT);
            peer->blocked = true;
            return true;
        case sent_all:
            break;
        }
        if (peer->rest.last) return false;
        if (peer->blocked) {
            /* Modifying looks at the socket anew, so that what came meanwhile is reported: nothing is read here. */
            watch(epoll, EPOLL_CTL_MOD, peer, EPOLLIN | EPOLLRDHUP);
            peer->blocked = false;
            return true;
        }
        size_t room;
        char* into = conversation_room(&peer->talk, &room);
        const ssize_t count = recv(peer->fd, into, room, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return count < 0 && errno == EAGAIN;
        peer->rest = conversation_received(&peer->talk, (size_t)count);
        if ((size_t)count < room && !ended && !peer->rest.last) {
            const enum progress progress = send_rest(peer);
            if (progress == sent_all) return true;
        }
    }
}

static void accept_all(int epoll, int listener, enum service service) {
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            require(errno == EAGAIN);
            return;
        }
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection* peer = malloc(sizeof *peer);
        require(peer != NULL);
        peer->fd = fd;
        peer->blocked = false;
        peer->rest = (struct answer){NULL, 0, false};
        conversation_begin(&peer->talk, service);
        watch(epoll, EPOLL_CTL_ADD, peer, EPOLLIN | EPOLLRDHUP);
    }
}

void serve_with_epoll(int listener, enum service service) {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    require(epoll >= 0);
    struct epoll_event door = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    require(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &door) == 0);
    for (;;) {
        struct epoll_event events[256];
        const int count = epoll_wait(epoll, events, 256, -1);
        require(count >= 0 || errno == EINTR);
        for (int i = 0; i < count; ++i) {
            struct connection* peer = events[i].data.ptr;
            if (peer == NULL)
                accept_all(epoll, listener, service);
            else if (!converse(epoll, peer, events[i].events))
                hang_up(peer);
        }
    }
}
