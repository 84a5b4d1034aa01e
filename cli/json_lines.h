// Files with one JSON object a line.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "restkv/status.h"
#include "scores/record.h"

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

}  // namespace restkv::cli
