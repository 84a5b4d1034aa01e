#include "cli/json_lines.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "cli/runtime.h"

namespace restkv::cli {
namespace {

using nlohmann::json;

Status take_line(std::string_view line, const std::function<Status(const json&)>& take) {
  RESTKV_ASSIGN_OR_RETURN(const json record, parse_record(line));
  return take(record);
}

// A file line by line, of which no more than a line is held.
class LineReader {
 public:
  explicit LineReader(const std::string& path)
      : name_(input_name(path)), file_(path == "-" ? stdin : std::fopen(path.c_str(), "rb")) {}
  ~LineReader() {
    if (file_ != nullptr && file_ != stdin) std::fclose(file_);
    std::free(line_);
  }
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next line without its newline, good until the next call; nothing at the end. Error: model.
  Result<std::optional<std::string_view>> next() {
    if (file_ == nullptr) return failed("open");
    const ssize_t size = getline(&line_, &capacity_, file_);
    if (size < 0 && std::feof(file_) == 0) return failed("read");
    if (size < 0) return std::optional<std::string_view>();
    std::string_view line(line_, static_cast<size_t>(size));
    if (line.ends_with('\n')) line.remove_suffix(1);
    return std::optional(line);
  }

 private:
  Status failed(const char* what) const {
    return Status::model(std::string("cannot ") + what + " " + name_ + ": " + std::strerror(errno));
  }

  std::string name_;
  FILE* file_;
  char* line_ = nullptr;  // getline's own
  size_t capacity_ = 0;
};

}  // namespace

Result<size_t> for_each_json_line(const JsonLinesOptions& options,
                                  const std::function<Status(const json& record)>& take) {
  LineReader reader(options.path);
  size_t n_skipped = 0, number = 0;
  for (;;) {
    RESTKV_ASSIGN_OR_RETURN(const std::optional<std::string_view> next, reader.next());
    if (!next) return n_skipped;
    const std::string_view line = *next;
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
}

}  // namespace restkv::cli
