#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/os/fd_stream.hpp>
#include <tombolo/fibers/os/stapled_stream.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>
#include <utility>

// The rows of streams over descriptors.

namespace tombolo::testing {
namespace {

using os::fd_stream;
using os::open_pipe;
using os::pipe_ends;
using stapled = os::stapled_stream<fd_stream, fd_stream>;

constexpr std::size_t more_than_a_pipe_takes = 1 << 20;

/// Its two ends, with `others` going on in another task once everybody waits.
void with_pipe(
    const std::function<void(fd_stream& reader, fd_stream& writer)>& main,
    const std::function<void(fd_stream& reader, fd_stream& writer)>& others = [](fd_stream&, fd_stream&) {}) {
    pipe_ends ends = open_pipe();
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_all_tasks_blocked();
            others(ends.reader, ends.writer);
        });
        main(ends.reader, ends.writer);
        ends.reader.close();
        ends.writer.close();
    });
}

/// Two pipes as one stream: what it sends comes out of `there`, what it receives is sent to `back`.
struct stapled_pipes {
    stapled_pipes() : stapled_pipes(open_pipe(), open_pipe()) {}
    stapled_pipes(pipe_ends out, pipe_ends in)
        : near(std::move(out.writer), std::move(in.reader)), there(std::move(out.reader)), back(std::move(in.writer)) {}
    stapled near;
    fd_stream there;
    fd_stream back;
};

void drain(fd_stream& from) {
    std::string part(65536, '\0');
    while (from.receive_some(part) != 0) {}
}

std::size_t receive(auto& from) { return from.receive_some(std::array<char, 8>()); }

const checkpoint_rows fd_streams{
    {"fibers/os/fd_stream.hpp",
     "fd_stream_send_all",
     "always",
     {at_once([](call_check& check) {
          with_pipe([&](fd_stream&, fd_stream& to) { check([&] { to.send_all("x"); }); });
          with_pipe([&](fd_stream&, fd_stream& to) { check([&] { to.send_all(""); }); });
      }),
      waiting([](call_check& check) {
          const std::string large(more_than_a_pipe_takes, 'x');
          with_pipe(
              [&](fd_stream&, fd_stream& to) {
                  check([&] { to.send_all(large); });
                  to.close();
                  wait_all_tasks_blocked();
              },
              [](fd_stream& from, fd_stream&) { EXPECT_NO_THROW(drain(from)); });
      })}},
    {"fibers/os/fd_stream.hpp",
     "fd_stream_wait_send_all_might_not_block",
     "always",
     {at_once([](call_check& check) {
          with_pipe([&](fd_stream&, fd_stream& to) { check([&] { to.wait_send_all_might_not_block(); }); });
      }),
      waiting([](call_check& check) {
          const std::string large(more_than_a_pipe_takes, 'x');
          with_pipe(
              [&](fd_stream&, fd_stream& to) {
                  const auto filled = std::array{const_bytes(large)};
                  static_cast<void>(to.write_some(filled));
                  check([&] { to.wait_send_all_might_not_block(); });
              },
              [](fd_stream& from, fd_stream&) { from.receive_some(std::string(65536, '\0')); });
      })}},
    {"fibers/os/fd_stream.hpp",
     "fd_stream_receive_some",
     "always",
     {at_once([](call_check& check) {
          with_pipe([&](fd_stream& from, fd_stream& to) {
              to.send_all("x");
              check([&] { EXPECT_EQ(receive(from), 1U); });
          });
      }),
      waiting([](call_check& check) {
          with_pipe(
              [&](fd_stream& from, fd_stream&) { check([&] { EXPECT_EQ(receive(from), 1U); }); },
              [](fd_stream&, fd_stream& to) { to.send_all("x"); });
      })}},
    {"fibers/os/fd_stream.hpp",
     "fd_stream_aclose",
     "always",
     {at_once([](call_check& check) { with_pipe([&](fd_stream&, fd_stream& to) { check([&] { to.aclose(); }); }); }),
      waiting([](call_check& check) {
          with_pipe([&](fd_stream&, fd_stream& to) {
              to.close();
              check([&] { to.aclose(); });
          });
      })}},
    {"fibers/os/fd_stream.hpp", "fd_stream_close", "never", {never([](call_check& check) {
         with_pipe([&](fd_stream& from, fd_stream&) { check([&] { from.close(); }); });
     })}},
    {"fibers/os/fd_stream.hpp", "fd_stream_release", "never", {never([](call_check& check) {
         with_pipe([&](fd_stream& from, fd_stream&) { check([&] { static_cast<void>(from.release()); }); });
     })}},
    {"fibers/os/fd_stream.hpp", "open_pipe", "never", {never([](call_check& check) {
         check([] { static_cast<void>(open_pipe()); });
     })}},
};

const checkpoint_rows stapled_streams{
    {"fibers/os/stapled_stream.hpp",
     "stapled_stream_send_all",
     "always",
     {at_once([](call_check& check) {
          stapled_pipes pipes;
          check([&] { pipes.near.send_all("x"); });
      }),
      waiting([](call_check& check) {
          const std::string large(more_than_a_pipe_takes, 'x');
          stapled_pipes pipes;
          open_nursery([&](nursery& n) {
              n.start_soon([&] { drain(pipes.there); });
              check([&] { pipes.near.send_all(large); });
              pipes.near.close();
          });
      })}},
    {"fibers/os/stapled_stream.hpp",
     "stapled_stream_wait_send_all_might_not_block",
     "always",
     {at_once([](call_check& check) {
          stapled_pipes pipes;
          check([&] { pipes.near.wait_send_all_might_not_block(); });
      }),
      waiting([](call_check& check) {
          stapled_pipes pipes;
          const std::string large(more_than_a_pipe_takes, 'x');
          static_cast<void>(pipes.near.send_part().write_some(std::array{const_bytes(large)}));
          open_nursery([&](nursery& n) {
              n.start_soon([&] {
                  wait_all_tasks_blocked();
                  pipes.there.receive_some(std::string(65536, '\0'));
              });
              check([&] { pipes.near.wait_send_all_might_not_block(); });
          });
      })}},
    {"fibers/os/stapled_stream.hpp",
     "stapled_stream_send_eof",
     "always",
     {at_once([](call_check& check) {
          stapled_pipes pipes;
          check([&] { pipes.near.send_eof(); });
      }),
      waiting([](call_check& check) {
          stapled_pipes pipes;
          pipes.near.send_eof();
          check([&] { pipes.near.send_eof(); });
      })}},
    {"fibers/os/stapled_stream.hpp",
     "stapled_stream_receive_some",
     "always",
     {at_once([](call_check& check) {
          stapled_pipes pipes;
          pipes.back.send_all("x");
          check([&] { EXPECT_EQ(receive(pipes.near), 1U); });
      }),
      waiting([](call_check& check) {
          stapled_pipes pipes;
          open_nursery([&](nursery& n) {
              n.start_soon([&] {
                  wait_all_tasks_blocked();
                  pipes.back.send_all("x");
              });
              check([&] { EXPECT_EQ(receive(pipes.near), 1U); });
          });
      })}},
    {"fibers/os/stapled_stream.hpp",
     "stapled_stream_aclose",
     "always",
     {at_once([](call_check& check) {
          stapled_pipes pipes;
          check([&] { pipes.near.aclose(); });
      }),
      waiting([](call_check& check) {
          stapled_pipes pipes;
          pipes.near.close();
          check([&] { pipes.near.aclose(); });
      })}},
    {"fibers/os/stapled_stream.hpp", "stapled_stream_close", "never", {never([](call_check& check) {
         stapled_pipes pipes;
         check([&] { pipes.near.close(); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
