#include <tombolo/fibers/net/open_tls_stream.hpp>

namespace tombolo::net {

tls_stream open_tls_stream(std::string_view host, int port, const open_tls_stream_options& options) {
    const tls_context& context = options.context ? *options.context : tls_context::default_client();
    const std::string name = options.server_hostname.empty() ? std::string(host) : options.server_hostname;
    return {
        open_tcp_stream(host, port, options.tcp),
        context,
        {.server_hostname = name, .https_compatible = options.https_compatible}};
}

}  // namespace tombolo::net
