#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tombolo::testing {

/// A JSON value, read strictly by RFC 8259: anything that a reader might forgive is an error.
class json {
public:
    using array = std::vector<json>;
    using object = std::vector<std::pair<std::string, json>>;

    struct error : std::runtime_error {
        using std::runtime_error::runtime_error;
    };

    /// Throws: error, which says where.
    static json parse(std::string_view text);

    bool is_object() const { return std::holds_alternative<object>(value_); }
    const object& members() const { return std::get<object>(value_); }
    const array& items() const { return std::get<array>(value_); }
    const std::string& string() const { return std::get<std::string>(value_); }
    double number() const { return std::get<double>(value_); }
    bool boolean() const { return std::get<bool>(value_); }

    bool has(std::string_view name) const { return find(name) != nullptr; }
    /// Throws: error when there is no such member.
    const json& operator[](std::string_view name) const;

private:
    friend class json_reader;
    const json* find(std::string_view name) const;

    std::variant<std::nullptr_t, bool, double, std::string, array, object> value_ = nullptr;
};

}  // namespace tombolo::testing
