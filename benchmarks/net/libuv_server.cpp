#include "server_kinds.h"

#include <cstdlib>
#include <memory>

#include <uv.h>

namespace bench::net {

namespace {

struct uv_connection {
    uv_tcp_t socket;
    uv_write_t writing;
    conversation talk;
    answer rest;
};

void require(int result) {
    if (result < 0) std::abort();
}

uv_connection& connection_of(uv_stream_t* stream) { return *static_cast<uv_connection*>(stream->data); }

void hang_up(uv_connection& peer) {
    uv_close(reinterpret_cast<uv_handle_t*>(&peer.socket), [](uv_handle_t* handle) {
        delete static_cast<uv_connection*>(handle->data);
    });
}

void give_room(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    auto& peer = *static_cast<uv_connection*>(handle->data);
    buffer->base = conversation_room(&peer.talk, &buffer->len);
}

void on_received(uv_stream_t* stream, ssize_t count, const uv_buf_t*);

void on_sent(uv_write_t* request, int status) {
    uv_connection& peer = connection_of(request->handle);
    if (status == UV_ECANCELED) return;
    if (status < 0 || peer.rest.last) return hang_up(peer);
    require(uv_read_start(request->handle, give_room, on_received));
}

void on_received(uv_stream_t* stream, ssize_t count, const uv_buf_t*) {
    uv_connection& peer = connection_of(stream);
    if (count < 0) return hang_up(peer);
    if (count == 0) return;
    peer.rest = conversation_received(&peer.talk, static_cast<std::size_t>(count));
    if (peer.rest.size > 0) {
        uv_buf_t all = uv_buf_init(const_cast<char*>(peer.rest.data), static_cast<unsigned>(peer.rest.size));
        const int sent = uv_try_write(stream, &all, 1);
        if (sent < 0 && sent != UV_EAGAIN) return hang_up(peer);
        const std::size_t gone = sent < 0 ? 0 : static_cast<std::size_t>(sent);
        if (gone < peer.rest.size) {
            require(uv_read_stop(stream));
            uv_buf_t rest = uv_buf_init(all.base + gone, static_cast<unsigned>(peer.rest.size - gone));
            require(uv_write(&peer.writing, stream, &rest, 1, on_sent));
            return;
        }
    }
    if (peer.rest.last) hang_up(peer);
}

void on_connection(uv_stream_t* listener, int status) {
    if (status < 0) return;
    auto peer = std::make_unique<uv_connection>();
    require(uv_tcp_init(listener->loop, &peer->socket));
    peer->socket.data = peer.get();
    uv_connection& kept = *peer.release();
    auto* stream = reinterpret_cast<uv_stream_t*>(&kept.socket);
    if (uv_accept(listener, stream) < 0) return hang_up(kept);
    require(uv_tcp_nodelay(&kept.socket, 1));
    conversation_begin(&kept.talk, *static_cast<service*>(listener->data));
    require(uv_read_start(stream, give_room, on_received));
}

}  // namespace

}  // namespace bench::net

void serve_with_libuv(int listener, service of) {
    using namespace bench::net;
    uv_loop_t loop;
    uv_tcp_t door;
    require(uv_loop_init(&loop));
    require(uv_tcp_init(&loop, &door));
    require(uv_tcp_open(&door, listener));
    door.data = &of;
    require(uv_listen(reinterpret_cast<uv_stream_t*>(&door), 4096, on_connection));
    uv_run(&loop, UV_RUN_DEFAULT);
}
