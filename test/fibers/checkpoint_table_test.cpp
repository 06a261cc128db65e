#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::IsEmpty;
using lines = std::multiset<std::string>;
namespace fs = std::filesystem;

fs::path public_headers() {
#if defined(TOMBOLO_SOURCE_DIR)
    const fs::path top = TOMBOLO_SOURCE_DIR;
#else
    const fs::path top = fs::absolute(__FILE__).parent_path().parent_path().parent_path();
#endif
    return top / "include" / "tombolo";
}

/// What stands behind `Checkpoint:` in a line of a comment, up to the first full stop.
std::string words_behind_the_tag(const std::string& text) {
    const std::size_t tag = text.find("Checkpoint: ");
    if (tag == std::string::npos || text.find("//") > tag) return {};
    const std::size_t begin = tag + std::string("Checkpoint: ").size();
    return text.substr(begin, text.find('.', begin) - begin);
}

std::map<std::string, lines> documented() {
    std::map<std::string, lines> found;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(public_headers())) {
        if (entry.path().extension() != ".hpp") continue;
#if defined(TOMBOLO_WITHOUT_TLS)  // the rows are left out with the library
        if (entry.path().filename().string().find("tls") != std::string::npos) continue;
#endif
        std::ifstream header(entry.path());
        EXPECT_TRUE(header.is_open()) << entry.path();
        for (std::string text; std::getline(header, text);)
            if (const std::string words = words_behind_the_tag(text); !words.empty())
                found[fs::relative(entry.path(), public_headers()).string()].insert(words);
    }
    return found;
}

std::map<std::string, lines> claimed() {
    std::map<std::string, lines> found;
    for (const claim& row : checkpoint_claims()) found[row.header].insert(row.line);
    return found;
}

TEST(checkpoint_table, has_a_row_for_every_checkpoint_line_of_the_public_headers) {
    const auto in_headers = documented();
    const auto in_table = claimed();
    ASSERT_GT(in_headers.size(), 20U) << "the headers were not found in " << public_headers();
    for (const auto& [header, words] : in_headers) {
        const auto rows = in_table.find(header);
        ASSERT_NE(rows, in_table.end()) << header << " has Checkpoint: lines and no row in checkpoint_table_*_test.cpp";
        EXPECT_EQ(rows->second.size(), words.size()) << header << ": a Checkpoint: line without a row, or the reverse";
        EXPECT_EQ(rows->second, words) << header;
    }
    for (const auto& [header, words] : in_table) EXPECT_TRUE(in_headers.contains(header)) << header << " is gone";
}

TEST(checkpoint_table, tests_each_claim_in_the_situations_that_it_speaks_of) {
    // Nobody can have ended these waits before they began.
    const std::set<std::string> can_only_wait{"park", "parking_lot_park", "sleep_forever", "temporarily_detach"};
    for (const claim& row : checkpoint_claims()) {
        const auto count = [&](const std::string& when) {
            return std::ranges::count(row.situations, when, &situation::when);
        };
        if (row.line.starts_with("always")) {
            EXPECT_GE(count("waiting"), 1) << row.function;
            EXPECT_EQ(count("at_once") >= 1, !can_only_wait.contains(row.function)) << row.function;
        } else if (row.line.starts_with("never")) {
            EXPECT_GE(count("never"), 1) << row.function;
        } else {
            EXPECT_GE(row.situations.size(), 1U) << row.function;
        }
    }
}

struct test_case {
    const claim* row;
    const situation* where;
};

std::vector<test_case> test_cases() {
    std::vector<test_case> all;
    for (const claim& row : checkpoint_claims())
        for (const situation& where : row.situations) all.push_back({&row, &where});
    return all;
}

class checkpoint_line : public ::testing::TestWithParam<test_case> {};

TEST_P(checkpoint_line, is_true) {
    const auto& [row, where] = GetParam();
    call_check check(where->promised);
    const test_report report = run_test_body([&] { where->main(check); });
    EXPECT_THAT(report.failure, IsEmpty()) << row->header << ": " << row->line << ", seed " << report.seed;
    EXPECT_GE(check.calls(), 1) << "the call was never made";
}

std::string name_of(const ::testing::TestParamInfo<test_case>& tested) {
    const auto& [row, where] = tested.param;
    return row->function + "__" + where->when;
}

INSTANTIATE_TEST_SUITE_P(table, checkpoint_line, ::testing::ValuesIn(test_cases()), name_of);

}  // namespace
}  // namespace tombolo::testing
