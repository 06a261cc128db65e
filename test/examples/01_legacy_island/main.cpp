// A synchronous program, the way such programs have always been written: main calls functions, and each returns when
// its work is done. One of them, fetch_on_island, does its work concurrently; from here it looks like all the others.

#include "bad_argument.hpp"
#include "mainland_server.hpp"
#include "options.hpp"
#include "pass.hpp"
#include "report.hpp"
#include "resolve.hpp"

#include <iostream>
#include <optional>

#include <sys/resource.h>

namespace legacy_island {

namespace {

// All resources at once are as many sockets at once, and the embedded server needs as many again.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int fetch_twice(const options& asked) {
    raise_descriptor_limit();
    std::vector<resource> resources = asked.resources;
    std::optional<mainland_server> embedded;
    if (resources.empty()) {
        embedded.emplace(plan_replies(asked.embedded_resources, asked.embedded_delay));
        for (const std::string& name : embedded->resources()) resources.push_back(parse_resource(name));
    }
    resolve(resources);

    const pass serial = fetch_serially(resources, asked.bounds);
    const pass island = fetch_on_island(resources, asked.bounds);

    print_report(std::cout, resources, serial, island);
    return serial.fetched() == resources.size() && island.fetched() == resources.size() ? 0 : 1;
}

}  // namespace

}  // namespace legacy_island

int main(int argc, char** argv) {
    using namespace legacy_island;
    try {
        const options asked = parse_options(argc, argv);
        if (asked.help) {
            std::cout << help_text();
            return 0;
        }
        return fetch_twice(asked);
    } catch (const bad_argument& error) {
        std::cerr << "01_legacy_island: " << error.what() << '\n' << usage_line();
        return 2;
    } catch (const interrupted& error) {
        std::cerr << "\n01_legacy_island: " << error.what() << '\n';
        return 130;
    } catch (const std::exception& error) {
        std::cerr << "01_legacy_island: " << error.what() << '\n';
        return 1;
    }
}
