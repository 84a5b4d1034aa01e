// A benchmark's data file: one JSON record a line, read when it is asked for. The files of the long
// tasks take hundreds of megabytes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "restkv/status.h"
#include "scores/record.h"

namespace restkv {

struct RecordFileOptions {
  std::string path;
  bool skip_bad = false;  // count malformed lines instead of failing
  // What a record must satisfy beyond being a JSON object. Errors: model.
  std::function<Status(const nlohmann::json& record)> check = {};
};

// Thread safety: const after construction.
class RecordFile {
 public:
  // Reads and checks every line once; blank lines count for nothing. Errors: model (unreadable, a
  // line named by file and number, no record left).
  static Result<RecordFile> open(const RecordFileOptions& options);

  int64_t size() const { return static_cast<int64_t>(places_.size()); }
  int64_t n_skipped() const { return n_skipped_; }
  // Errors: model (the file has changed since it was opened).
  Result<nlohmann::json> record(int64_t i) const;
  // The number of record i's line, from 1.
  int64_t line_number(int64_t i) const { return places_[static_cast<size_t>(i)].line; }

 private:
  struct Place {
    int64_t begin = 0, line = 0;
  };
  Status take(std::string_view line, Place place, const RecordFileOptions& options);

  std::string path_;
  std::vector<Place> places_;
  int64_t n_skipped_ = 0;
};

// `<folder>/<name>`. Errors: usage (no such folder), model (no such file, with what is missing).
Result<std::string> file_in_folder(const std::string& folder, const std::string& name);

}  // namespace restkv
