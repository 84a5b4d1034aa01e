// Input files of the tasks, whole.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "restkv/status.h"

namespace restkv {

// Error: model (unreadable).
Result<std::string> read_text_file(const std::string& path);
// Bytes that are not UTF-8 become U+FFFD. Errors: model (unreadable, no JSON).
Result<nlohmann::json> read_json_file(const std::string& path);

}  // namespace restkv
