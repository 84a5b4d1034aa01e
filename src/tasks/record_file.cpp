#include "tasks/record_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/check.h"

namespace restkv {
namespace {

Status at_line(const std::string& path, int64_t line, const std::string& message) {
  return Status::model(path + ":" + std::to_string(line) + ": " + message);
}

}  // namespace

Status RecordFile::take(std::string_view line, Place place, const RecordFileOptions& options) {
  if (is_blank_line(line)) return {};
  const Result<nlohmann::json> record = parse_record(line);
  const Status status = record.ok() ? options.check(*record) : record.status();
  if (status.ok()) {
    places_.push_back(place);
  } else if (options.skip_bad) {
    ++n_skipped_;
  } else {
    return at_line(path_, place.line, status.message());
  }
  return {};
}

Result<RecordFile> RecordFile::open(const RecordFileOptions& options) {
  RecordFile records;
  records.path_ = options.path;
  std::ifstream file(options.path, std::ios::binary);
  if (!file) return Status::model("cannot open " + options.path + ": " + std::strerror(errno));
  std::string line;
  Place place{.begin = 0, .line = 1};
  for (; std::getline(file, line); ++place.line) {
    RESTKV_RETURN_IF_ERROR(records.take(line, place, options));
    place.begin += static_cast<int64_t>(line.size()) + 1;
  }
  if (file.bad()) return Status::model("cannot read " + options.path + ": " + std::strerror(errno));
  if (records.places_.empty()) {
    return Status::model(options.path + " holds no samples, " + std::to_string(records.n_skipped_) +
                         " lines were skipped");
  }
  return records;
}

Result<nlohmann::json> RecordFile::record(int64_t i) const {
  RESTKV_CHECK(i >= 0 && i < size());
  const Place place = places_[static_cast<size_t>(i)];
  std::ifstream file(path_, std::ios::binary);
  std::string line;
  if (!file.seekg(place.begin) || !std::getline(file, line))
    return at_line(path_, place.line, "cannot be read any more, it could be before");
  Result<nlohmann::json> record = parse_record(line);
  if (!record.ok()) return at_line(path_, place.line, record.status().message());
  return record;
}

Result<std::string> file_in_folder(const std::string& folder, const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(folder, error))
    return Status::usage("the data folder is \"" + folder + "\", there is no such folder");
  const std::string path = (fs::path(folder) / name).string();
  if (!fs::is_regular_file(path, error))
    return Status::model("the data folder " + folder + " has no file " + name);
  return path;
}

}  // namespace restkv
