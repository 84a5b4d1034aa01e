#include "cli/json_lines.h"

#include <algorithm>

#include "cli/runtime.h"

namespace restkv::cli {
namespace {

using nlohmann::json;

Status take_line(std::string_view line, const std::function<Status(const json&)>& take) {
  RESTKV_ASSIGN_OR_RETURN(const json record, parse_record(line));
  return take(record);
}

}  // namespace

Result<size_t> for_each_json_line(const JsonLinesOptions& options,
                                  const std::function<Status(const json& record)>& take) {
  RESTKV_ASSIGN_OR_RETURN(const std::string content, read_bytes(options.path));
  size_t n_skipped = 0, number = 0;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line(content.data() + begin, end - begin);
    begin = end + 1;
    ++number;
    if (is_blank_line(line)) continue;
    const Status status = take_line(line, take);
    if (status.ok()) continue;
    if (!options.skip_bad) {
      return Status(status.kind(), input_name(options.path) + ":" + std::to_string(number) + ": " +
                                       status.message());
    }
    ++n_skipped;
  }
  return n_skipped;
}

}  // namespace restkv::cli
