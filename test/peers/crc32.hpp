#pragma once

#include <boost/crc.hpp>

#include <string>
#include <string_view>

namespace peers {

/// In decimal, as Python's zlib.crc32 has it.
inline std::string crc32(std::string_view bytes) {
    boost::crc_32_type crc;
    crc.process_bytes(bytes.data(), bytes.size());
    return std::to_string(crc.checksum());
}

}  // namespace peers
