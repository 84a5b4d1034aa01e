// The fields of a JSON record, by name and type. Thread safety: pure functions.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "restkv/status.h"

namespace restkv {

// A line of a file as a record; bytes that are not UTF-8 become U+FFFD as with Python's
// errors="replace". Error: model (not a JSON object).
Result<nlohmann::json> parse_record(std::string_view line);
// Such a line counts for nothing.
bool is_blank_line(std::string_view line);

using Names = std::initializer_list<std::string_view>;

// The first of the names that the record has; null pointer: none.
const nlohmann::json* find_field(const nlohmann::json& record, Names names);
// Errors of those below: model (missing, of another type).
Result<const nlohmann::json*> get_field(const nlohmann::json& record, Names names);
Result<std::string> get_text(const nlohmann::json& record, Names names);
// A list of strings; one string stands for itself, a whole number for its digits.
Result<std::vector<std::string>> get_texts(const nlohmann::json& record, Names names);
// One such list a sample. Error: model (also if the lists are not `n` in number).
Result<std::vector<std::vector<std::string>>> get_text_lists(const nlohmann::json& record,
                                                             Names names, size_t n);
// A list of strings, or null or missing for none.
Result<std::vector<std::string>> get_classes(const nlohmann::json& record);

}  // namespace restkv
