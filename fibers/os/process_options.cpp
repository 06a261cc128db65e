#include <tombolo/fibers/os/process_options.hpp>

#include <string_view>

#include <unistd.h>

namespace tombolo::os {

redirect redirect::descriptor(int fd) {
    if (fd < 0)
        throw invalid_descriptor(
            "redirect::descriptor: " + std::to_string(fd) +
            " is negative; give an open descriptor (has the object been closed already?)");
    return redirect(kind::descriptor, fd);
}

environment current_environment() {
    environment all;
    for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
        const std::string_view line = *each;
        const std::size_t equals = line.find('=', 1);
        if (equals != std::string_view::npos) all.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
    return all;
}

}  // namespace tombolo::os
