#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <ostream>
#include <string>

namespace legacy_island {

namespace {

struct row {
    std::string name, status, bytes, serial, island;
};

std::string format(const char* pattern, double value) {
    char text[64];
    std::snprintf(text, sizeof text, pattern, value);
    return text;
}

std::string grouped(std::size_t number) {
    std::string digits = std::to_string(number);
    for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
        digits.insert(static_cast<std::size_t>(at), ",");
    }
    return digits;
}

// The ends of a long name tell more than its middle.
std::string shortened(const std::string& name) {
    constexpr std::size_t most = 60;
    if (name.size() <= most) return name;
    return name.substr(0, most - 33) + "..." + name.substr(name.size() - 30);
}

// A fetch that was never begun, or was stopped together with its pass, took no time of its own.
std::string milliseconds(const verdict& one) {
    return one.why == failure::out_of_time ? "-" : format("%.1f", one.took.count());
}

row row_of(const resource& wanted, const verdict& serial, const verdict& island) {
    row made;
    made.name = shortened(wanted.label());
    made.status = describe(serial);
    if (const std::string other = describe(island); other != made.status) made.status += " | " + other;
    const verdict& shown = serial.why == failure::none ? serial : island;
    made.bytes = shown.why == failure::none ? grouped(shown.got.bytes) : "-";
    made.serial = milliseconds(serial);
    made.island = milliseconds(island);
    return made;
}

class table {
public:
    explicit table(const row& heading) : rows_{heading} {}
    void add(const row& one) { rows_.push_back(one); }

    void print(std::ostream& out) const {
        const int name = width_of(&row::name), status = width_of(&row::status), bytes = width_of(&row::bytes);
        const int serial = width_of(&row::serial), island = width_of(&row::island);
        for (const row& one : rows_) {
            out << padded_right(one.name, name) << "  " << padded_right(one.status, status) << "  "
                << padded_left(one.bytes, bytes) << "  " << padded_left(one.serial, serial) << "  "
                << padded_left(one.island, island) << '\n';
            if (&one == &rows_.front()) {
                out << std::string(static_cast<std::size_t>(name + status + bytes + serial + island + 8), '-') << '\n';
            }
        }
    }

private:
    int width_of(std::string row::* column) const {
        std::size_t width = 0;
        for (const row& one : rows_) width = std::max(width, (one.*column).size());
        return static_cast<int>(width);
    }
    static std::string padded_left(const std::string& text, int width) {
        return std::string(static_cast<std::size_t>(width) - text.size(), ' ') + text;
    }
    static std::string padded_right(const std::string& text, int width) {
        return text + std::string(static_cast<std::size_t>(width) - text.size(), ' ');
    }

    std::vector<row> rows_;
};

std::string pass_line(const char* name, const pass& one) {
    return name + format("%8.3f s   ", one.wall.count()) + std::to_string(one.fetched()) + " of " +
        std::to_string(one.verdicts.size()) + " fetched" + "\n";
}

std::string failures_in(const pass& one) {
    std::map<std::string, int> counts;
    for (const verdict& each : one.verdicts) {
        if (!each.fetched()) ++counts[describe(each)];
    }
    std::string text;
    for (const auto& [name, count] : counts) {
        text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + name;
    }
    return text;
}

}  // namespace

void print_report(std::ostream& out, const std::vector<resource>& resources, const pass& serial, const pass& island) {
    table rows({"resource", "status", "bytes", "serial ms", "island ms"});
    for (std::size_t i = 0; i < resources.size(); ++i) {
        rows.add(row_of(resources[i], serial.verdicts[i], island.verdicts[i]));
    }
    out << '\n';
    rows.print(out);
    out << '\n' << pass_line("serial   ", serial) << pass_line("island   ", island);
    if (island.wall.count() > 0) {
        out << "speed-up " << format("%7.1fx", serial.wall.count() / island.wall.count()) << '\n';
    }
    const std::string serial_failures = failures_in(serial);
    const std::string island_failures = failures_in(island);
    if (serial_failures == island_failures) {
        if (!serial_failures.empty()) out << "failed   " << serial_failures << '\n';
    } else {
        out << "failed   serial: " << (serial_failures.empty() ? "none" : serial_failures)
            << "; island: " << (island_failures.empty() ? "none" : island_failures) << '\n';
    }
}

}  // namespace legacy_island
