#pragma once

#include "benchmarks/support/peer_stacks.hpp"

#include <boost/context/detail/fcontext.hpp>

#include <cstddef>
#include <vector>

namespace bench {

/// A round robin of bare `jump_fcontext` contexts, the caller being one of them: what the switch of Boost.Context costs
/// with no scheduler at all. Each jump goes to the next context of a ring and stores there where it came from.
class fcontext_ring {
public:
    /// What every context but the caller's runs: it calls `yield` until the ring is destroyed, and never returns.
    /// The contexts are then abandoned where they stand: nothing on their stacks may need a destructor.
    using body = void (*)(fcontext_ring& ring, void* data);

    /// The stacks that serve it best; `plain_stacks` has them as an allocator without such care would lay them out.
    fcontext_ring(std::size_t contexts, body others, void* data = nullptr)
        : fcontext_ring{contexts, others, data, peer_stacks::tops::coloured, peer_stacks::best_slot_size} {}

    static fcontext_ring plain_stacks(std::size_t contexts, body others) {
        return {contexts, others, nullptr, peer_stacks::tops::aligned, 64 * 1024};
    }

    fcontext_ring(const fcontext_ring&) = delete;
    fcontext_ring& operator=(const fcontext_ring&) = delete;

    void yield() {
        current_ = current_->next;
        arrived(boost::context::detail::jump_fcontext(current_->context, this));
    }

private:
    struct node {
        boost::context::detail::fcontext_t context = nullptr;
        node* next = nullptr;
        node* previous = nullptr;
    };

    fcontext_ring(std::size_t contexts, body others, void* data, peer_stacks::tops tops, std::size_t slot_size)
        : others_{others}, data_{data}, nodes_(contexts), stacks_{tops, slot_size} {
        for (std::size_t i = 0; i < contexts; ++i) {
            nodes_[i].next = &nodes_[(i + 1) % contexts];
            nodes_[i].previous = &nodes_[(i + contexts - 1) % contexts];
            if (i != 0) {
                const auto stack = stacks_.allocate();
                nodes_[i].context = boost::context::detail::make_fcontext(stack.sp, stack.size, &entry);
            }
        }
        current_ = &nodes_[0];
    }

    static void entry(boost::context::detail::transfer_t arrival) {
        auto& ring = *static_cast<fcontext_ring*>(arrival.data);
        ring.arrived(arrival);
        ring.others_(ring, ring.data_);
    }

    /// Whoever jumps here is the one before us in the ring; it is suspended now, at the place that it came from.
    void arrived(boost::context::detail::transfer_t arrival) { current_->previous->context = arrival.fctx; }

    body others_;
    void* data_;
    std::vector<node> nodes_;
    peer_stacks stacks_;
    node* current_ = nullptr;
};

}  // namespace bench
