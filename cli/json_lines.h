// Files with one JSON object a line, and the fields of such a record.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "restkv/status.h"

namespace restkv::cli {

struct JsonLinesOptions {
  std::string path;       // "-": standard input
  bool skip_bad = false;  // count malformed lines instead of failing
};

// Hands every line's object to `take`; blank lines count for nothing. Bytes that are not UTF-8
// become U+FFFD as with Python's errors="replace". Yields how many lines were skipped. Errors:
// model, with file and line (not an object, or what `take` says of it).
Result<size_t> for_each_json_line(const JsonLinesOptions& options,
                                  const std::function<Status(const nlohmann::json& record)>& take);

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

}  // namespace restkv::cli
