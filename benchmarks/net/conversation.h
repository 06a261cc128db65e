#ifndef TOMBOLO_BENCHMARKS_NET_CONVERSATION_H
#define TOMBOLO_BENCHMARKS_NET_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a server says, apart from how it waits for sockets: every kind of server uses this code, so that only the
 * waiting differs. A conversation is one connection's; it allocates nothing. */

enum service { service_echo, service_http_hello };

enum { conversation_capacity = 4096 };

struct conversation {
    enum service service;
    size_t have;      /* bytes of a request that is not complete yet */
    size_t body_left; /* bytes of a request's body that are to be skipped */
    char input[conversation_capacity];
};

/* To be sent in full before the next bytes are received, as it may lie in the conversation's buffer. */
struct answer {
    const char* data;
    size_t size;
    bool last; /* close when it has been sent */
};

void conversation_begin(struct conversation* talk, enum service service);

/* Where to receive into; there is always room. */
static inline char* conversation_room(struct conversation* talk, size_t* room) {
    *room = conversation_capacity - talk->have;
    return talk->input + talk->have;
}

/* `count` bytes were put into the room. The answer is empty when no request is complete. */
struct answer conversation_received(struct conversation* talk, size_t count);

#ifdef __cplusplus
}
#endif

#endif
