#include "conversation.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define HELLO "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, World!\n"
#define REFUSAL "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

enum {
    hello_size = sizeof HELLO - 1,
    refusal_size = sizeof REFUSAL - 1,
    shortest_head = sizeof "GET / HTTP/1.1\r\n\r\n" - 1,
    most_pipelined = conversation_capacity / shortest_head + 1
};

/* As many answers in a row as a full buffer can ask for, and room for a refusal behind them. */
static char hellos[most_pipelined * hello_size + refusal_size];
static char refused[sizeof hellos];

struct head {
    bool bad;
    bool last;
    size_t body;
};

void conversation_begin(struct conversation* talk, enum service service) {
    talk->service = service;
    talk->have = 0;
    talk->body_left = 0;
    if (hellos[0] != '\0') return;
    for (size_t i = 0; i < most_pipelined; ++i) memcpy(hellos + i * hello_size, HELLO, hello_size);
}

static bool is(const char* text, size_t size, const char* name) {
    return strlen(name) == size && strncasecmp(text, name, size) == 0;
}

static bool parse_count(const char* text, size_t size, size_t* count) {
    size_t value = 0;
    if (size == 0) return false;
    for (size_t i = 0; i < size; ++i) {
        if (text[i] < '0' || text[i] > '9' || value > SIZE_MAX / 10 - 1) return false;
        value = value * 10 + (size_t)(text[i] - '0');
    }
    *count = value;
    return true;
}

static bool parse_request_line(const char* line, size_t size, struct head* out) {
    const char* space = memchr(line, ' ', size);
    if (space == NULL || space == line || size < sizeof "G / HTTP/1.1" - 1) return false;
    const char* version = line + size - 8;
    if (version - 1 <= space + 1 || version[-1] != ' ' || memcmp(version, "HTTP/1.", 7) != 0) return false;
    out->last = version[7] == '0';
    return true;
}

static bool parse_field(const char* line, size_t size, struct head* out) {
    const char* colon = memchr(line, ':', size);
    if (colon == NULL || colon == line) return false;
    const char* value = colon + 1;
    const char* end = line + size;
    while (value < end && (*value == ' ' || *value == '\t')) ++value;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) --end;
    const size_t name_size = (size_t)(colon - line), value_size = (size_t)(end - value);
    if (is(line, name_size, "connection")) {
        if (is(value, value_size, "close")) out->last = true;
        if (is(value, value_size, "keep-alive")) out->last = false;
    } else if (is(line, name_size, "content-length")) {
        return parse_count(value, value_size, &out->body);
    } else if (is(line, name_size, "transfer-encoding")) {
        return false;
    }
    return true;
}

/* `size` counts the lines with their ends, but not the empty line. */
static struct head parse_head(const char* at, size_t size) {
    struct head out = {.bad = true, .last = false, .body = 0};
    const char* end = at + size;
    const char* stop = memmem(at, size, "\r\n", 2);
    if (stop == NULL || !parse_request_line(at, (size_t)(stop - at), &out)) return out;
    for (at = stop + 2; at < end; at = stop + 2) {
        stop = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (stop == NULL || !parse_field(at, (size_t)(stop - at), &out)) return out;
    }
    out.bad = false;
    return out;
}

static struct answer say(size_t hello_count, bool last) {
    return (struct answer){.data = hellos, .size = hello_count * hello_size, .last = last};
}

static struct answer refuse(size_t hello_count) {
    const size_t before = hello_count * hello_size;
    memcpy(refused, hellos, before);
    memcpy(refused + before, REFUSAL, refusal_size);
    return (struct answer){.data = refused, .size = before + refusal_size, .last = true};
}

static struct answer answer_requests(struct conversation* talk) {
    const char* at = talk->input;
    const char* end = at + talk->have;
    size_t requests = 0;
    while (at < end) {
        if (talk->body_left > 0) {
            const size_t skipped = talk->body_left < (size_t)(end - at) ? talk->body_left : (size_t)(end - at);
            talk->body_left -= skipped;
            at += skipped;
            continue;
        }
        const char* blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        if (blank == NULL) {
            if (at == talk->input && talk->have == conversation_capacity) return refuse(requests);
            break;
        }
        const struct head request = parse_head(at, (size_t)(blank + 2 - at));
        if (request.bad) return refuse(requests);
        ++requests;
        if (request.last) return say(requests, true);
        at = blank + 4;
        talk->body_left = request.body;
    }
    talk->have = (size_t)(end - at);
    if (talk->have > 0 && at != talk->input) memmove(talk->input, at, talk->have);
    return say(requests, false);
}

struct answer conversation_received(struct conversation* talk, size_t count) {
    if (talk->service == service_echo) return (struct answer){.data = talk->input, .size = count, .last = false};
    talk->have += count;
    return answer_requests(talk);
}
