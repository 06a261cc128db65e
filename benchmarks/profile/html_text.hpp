#pragma once

#include <string>
#include <string_view>

namespace profile {

/// Text as it may stand in HTML and SVG, in attributes too.
std::string escaped(std::string_view text);

}  // namespace profile
