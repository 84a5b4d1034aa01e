// A file of result lines that survives being killed: the lines of one sample are appended by one
// write and synced, and opening the file again drops what was left half-written.
//
// Thread safety: one thread uses a file at a time. Two processes: the second is refused.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "eval/result_line.h"
#include "restkv/status.h"

namespace restkv {

class ResultFile {
 public:
  // Opens or creates it, for this process alone. A line without its end is cut off, and so are the
  // last sample's lines if fewer are there than were written together. Nothing is changed in a file
  // that is refused. Blank lines count for nothing.
  // Errors: runtime (the system; another process has it), usage (lines of another configuration),
  // model (a line that is no result line, by file and line; an end that no run left behind).
  static Result<std::unique_ptr<ResultFile>> open(const std::string& path,
                                                  const nlohmann::ordered_json& config);
  // Whether a path can name one: a regular file, or none yet. Error: runtime.
  static Status check_path(const std::string& path);
  ~ResultFile();
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;

  bool has(const std::string& sample_key, const std::string& variant) const;
  int64_t n_line() const { return n_line_; }  // when it was opened
  const std::string& path() const { return path_; }

  // Whole lines, of one sample; what is there when this returns stays there.
  // Error: runtime. The file is then as it was before.
  Status append(std::string_view lines);
  // In a process that was split off and must not hold the file.
  void close();

 private:
  explicit ResultFile(std::string path) : path_(std::move(path)) {}
  Status lock();
  Status recover(const nlohmann::ordered_json& config);

  std::string path_;
  int fd_ = -1;
  int64_t n_line_ = 0;
  std::map<std::string, std::set<std::string>> done_;  // variants by sample key
};

// Hands the complete lines of a file to `take`, in order, with their text. Yields the bytes behind
// the last of them: what a killed run has left half-written. Errors: model (unreadable; a line that
// is no result line, or what `take` says of it).
Result<size_t> for_each_result_line(
    const std::string& path,
    const std::function<Status(const StoredLine& line, std::string_view text)>& take);

}  // namespace restkv
