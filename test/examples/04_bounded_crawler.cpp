#include <tombolo/tombolo.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace tb = tombolo;

// A site in memory: pages, how long each takes to answer, and where it links to.
struct page {
    std::chrono::milliseconds latency;
    std::vector<std::string> links;
};

const std::map<std::string, page> site{
    {"/", {2ms, {"/coast", "/islands", "/about"}}},
    {"/about", {1ms, {"/"}}},
    {"/coast", {3ms, {"/tides", "/sand"}}},
    {"/islands", {2ms, {"/sand", "/far"}}},
    {"/sand", {1ms, {"/coast"}}},
    {"/tides", {2ms, {}}},
    {"/far", {24h, {"/nowhere"}}},  // never answers in time
};

class connections {
public:
    std::vector<std::string> fetch(const std::string& url) {
        most_ = std::max(most_, ++open_);
        const tb::scope_exit close([this] { --open_; });
        const page& wanted = site.at(url);
        tb::sleep_for(wanted.latency);  // stands for the network: here a cancellation would close the connection
        return wanted.links;
    }
    int most() const { return most_; }

private:
    int open_ = 0;
    int most_ = 0;
};

int main() {
    constexpr int at_a_time = 2;
    connections net;
    std::set<std::string> found{"/"};
    std::set<std::string> timed_out;

    const bool finished = tb::run([&] {
        return tb::move_on_after(10s, [&] {  // a limit for the whole crawl
            std::vector<std::string> frontier{"/"};
            for (int depth = 0; !frontier.empty(); ++depth) {
                std::cout << "depth " << depth << ": " << frontier.size() << " pages\n";
                const auto links = tb::map_concurrently(frontier, at_a_time, [&](const std::string& url) {
                    auto answer = tb::move_on_after(200ms, [&] { return net.fetch(url); });  // and one for each page
                    if (!answer) timed_out.insert(url);
                    return answer.value_or(std::vector<std::string>{});
                });  // the results come in the order of the frontier, whoever answered first

                frontier.clear();
                for (const auto& of_page : links)
                    for (const std::string& url : of_page)
                        if (found.insert(url).second) frontier.push_back(url);
            }
        });
    });

    for (const std::string& url : found) std::cout << url << (timed_out.contains(url) ? " (timed out)\n" : "\n");
    std::cout << (finished ? "finished" : "gave up") << ", at most " << net.most() << " connections\n";
}
