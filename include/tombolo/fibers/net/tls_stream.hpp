#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/kernel/asio_sync_stream.hpp>
#include <tombolo/fibers/net/tls_context.hpp>
#include <tombolo/fibers/net/tls_error.hpp>
#include <tombolo/fibers/stream.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

struct ssl_st;

namespace tombolo::kernel {
class tls_connection;
struct forget_tls_connection {
    void operator()(tls_connection* connection) const noexcept;
};
}  // namespace tombolo::kernel

namespace tombolo::net {

struct tls_stream_options {
    /// Clients: the name or the IP address that the server's certificate must be for; the name is also sent (SNI).
    std::string server_hostname = {};
    /// Behave as HTTPS does in practice: close without a good-bye, and take the end of the connection for the end of the stream. Only for
    /// protocols that mark where their messages end: otherwise anybody in between can cut one short.
    bool https_compatible = false;
};

/// What tls_stream::unwrap() gives back.
struct unwrapped_stream {
    std::unique_ptr<stream> transport;
    std::vector<std::byte> trailing;  ///< what came behind the good-bye already
};

/// TLS over any stream, which it owns. Models is_stream, and Boost.Asio's SyncReadStream and SyncWriteStream. open_tls_stream() makes one over
/// TCP, tls_listener::accept() another.
///
/// The first call that needs it does the handshake; do_handshake() does it earlier. One task may send and one receive at the same time,
/// although either may have to do both on the transport. What breaks the stream: any error of TLS or of the transport, and a cancel while
/// a handshake, a send or a good-bye is under way. A cancelled receive_some() breaks it only while it has to send, because the other side
/// shakes hands again or changes keys. A broken stream is good for closing only.
///
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. The destructor closes the transport by force, which the
/// other side takes for a truncation: aclose() says good-bye. Source: trio.SSLStream.
class tls_stream : public kernel::asio_sync_stream<tls_stream> {
public:
    /// Not connected: every call throws closed_resource.
    tls_stream() noexcept = default;
    /// The context decides whether this is the client or the server.
    /// Throws: usage_error when a client that verifies names has no server_hostname, when a server has one, and for a name that cannot be.
    tls_stream(std::unique_ptr<stream> transport, const tls_context& context, const tls_stream_options& options = {});
    template <is_stream S>
        requires(!std::same_as<std::remove_cvref_t<S>, std::unique_ptr<stream>>)
    tls_stream(S transport, const tls_context& context, const tls_stream_options& options = {})
        : tls_stream(make_stream(std::move(transport)), context, options) {}

    /// Returns when both sides know whom they talk to; who comes second waits for the first. Again: a checkpoint.
    /// Checkpoint: always. Cancellation: breaks the stream.
    /// Throws: certificate_rejected; tls_error; broken_stream; closed_resource; cancelled.
    void do_handshake();

    /// Returns when the transport has taken all. Sending nothing is a checkpoint, behind the handshake.
    /// Checkpoint: always. Cancellation: breaks the stream once anything was sent.
    /// Throws: as do_handshake(); busy_resource when another task is sending.
    void send_all(const_bytes bytes);
    /// From several buffers in their order. Otherwise the same.
    void send_all(std::span<const const_bytes> buffers);
    /// Checkpoint: always. Throws: as send_all(), but for the handshake, which it does not do.
    void wait_send_all_might_not_block();

    /// Waits for bytes and puts up to buffer.size() of them into it; 0 when the other side said good-bye, and then again each time.
    /// Checkpoint: always. Cancellation: nothing was taken; it breaks the stream during the handshake, and while it has to send (a new
    /// handshake, a change of keys).
    /// Throws: as do_handshake(); tls_error when the connection ends without a good-bye, unless it is https_compatible; busy_resource
    /// when another task is receiving; invalid_count for an empty buffer.
    std::size_t receive_some(mutable_bytes buffer);

    /// Says good-bye, waits for the other side's, and gives the transport back. The stream is closed then.
    /// Checkpoint: always. Cancellation: breaks the stream once it has begun to say good-bye.
    /// Throws: as receive_some(); tls_error when data comes that was not received; busy_resource when another task sends or receives.
    [[nodiscard]] unwrapped_stream unwrap();

    /// Says good-bye without waiting for the other side's, behind the handshake if there was none, and closes the transport in order. With
    /// https_compatible, or broken: only closes the transport.
    /// Checkpoint: always. Cancellation: closes the transport by force.
    /// Throws: what the handshake and closing the transport throw; it is closed nevertheless.
    void aclose();
    /// Who waits in a call gets closed_resource. Again: does nothing. Checkpoint: never.
    void close() noexcept;
    [[nodiscard]] bool is_open() const noexcept;

    /// Whether the handshake is done, so that what follows may be asked.
    [[nodiscard]] bool is_handshake_done() const noexcept;
    /// "TLSv1.3". Throws: need_handshake; closed_resource. So do the others.
    [[nodiscard]] std::string version() const;
    /// "TLS_AES_256_GCM_SHA384".
    [[nodiscard]] std::string cipher() const;
    /// The protocol agreed on; empty when there is none.
    [[nodiscard]] std::string alpn() const;
    /// The other side's certificate in PEM form; empty when it showed none.
    [[nodiscard]] std::string peer_certificate() const;
    /// The name that the client asked for; empty when it gave none.
    [[nodiscard]] std::string server_name() const;

    /// The transport, where it is an S; otherwise null. For options and endpoints: bytes that go past TLS destroy the connection.
    template <is_stream S>
    [[nodiscard]] S* transport() noexcept {
        auto* wrapped = dynamic_cast<kernel::wrapped_stream<S>*>(erased_transport());
        return wrapped == nullptr ? nullptr : &wrapped->inner();
    }
    /// OpenSSL's SSL, for what is not covered here; null when not connected.
    [[nodiscard]] ssl_st* native() const noexcept;

private:
    friend kernel::asio_sync_stream<tls_stream>;
    std::size_t send_some_of(std::span<const const_bytes> buffers);
    [[nodiscard]] stream* erased_transport() const noexcept;
    [[nodiscard]] kernel::tls_connection& connected(const char* what) const;

    std::unique_ptr<kernel::tls_connection, kernel::forget_tls_connection> connection_;
};

}  // namespace tombolo::net
