#include "eval/result_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "scores/record.h"

namespace restkv {
namespace {

using nlohmann::ordered_json;

Status failed(const std::string& what, const std::string& path) {
  return Status::runtime("cannot " + what + " " + path + ": " + std::strerror(errno));
}

// A new file's name is on disk only when its folder is.
Status sync_folder(const std::string& path) {
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("open", folder);
  const int synced = fsync(fd);
  const int error = errno;
  ::close(fd);
  errno = error;
  // Some file systems know no fsync of folders.
  return synced == 0 || error == EINVAL ? Status() : failed("sync", folder);
}

Result<std::string> read_all(int fd, const std::string& path) {
  std::string content;
  char block[1 << 16];
  for (off_t at = 0;;) {
    const ssize_t n = pread(fd, block, sizeof block, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::model("cannot read " + path + ": " + std::strerror(errno));
    if (n == 0) return content;
    content.append(block, n);
    at += n;
  }
}

using TakeLine = std::function<Status(const StoredLine& line, std::string_view text)>;

// Yields the end of the last complete line, in bytes.
Result<size_t> for_each_line(std::string_view content, const std::string& path,
                             const TakeLine& take) {
  size_t begin = 0, number = 0;
  for (size_t end; (end = content.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
    const std::string_view text = content.substr(begin, end - begin);
    ++number;
    if (is_blank_line(text)) continue;
    const auto line = parse_result_line(text);
    const Status status = line.ok() ? take(*line, text) : line.status();
    if (status.ok()) continue;
    return Status(status.kind(), path + ":" + std::to_string(number) + ": " + status.message());
  }
  return begin;
}

// What opening a file must know of a line.
struct Written {
  size_t begin;  // bytes
  std::string key, variant;
  int64_t n_batch;
};

// The last sample's lines, if fewer are there than were to be written: how many.
size_t count_incomplete(const std::vector<Written>& lines) {
  if (lines.empty()) return 0;
  const Written& last = lines.back();
  size_t n = 0;
  while (n < lines.size() && static_cast<int64_t>(n) < last.n_batch) {
    const Written& line = lines[lines.size() - 1 - n];
    if (line.key != last.key || line.n_batch != last.n_batch) break;
    ++n;
  }
  return static_cast<int64_t>(n) < last.n_batch ? n : 0;
}

Status check_config(const StoredLine& line, const ordered_json& config) {
  const std::string difference = first_difference(config, line.record["config"]);
  if (difference.empty()) return {};
  return Status::usage("written with another configuration: " + difference);
}

// What stands behind the last newline will be cut off. A whole object there is none that a killed
// run left behind, unless it is a line of this configuration that lacks its newline alone.
Status check_end(std::string_view end, const std::string& path, const ordered_json& config) {
  if (!ordered_json::accept(end)) return {};
  const auto line = parse_result_line(end);
  const Status status = line.ok() ? check_config(*line, config) : line.status();
  if (status.ok()) return status;
  return Status(status.kind(), path + ", its last line: " + status.message());
}

// A beginning that a killed run may have left behind.
bool begins_like_ours(std::string_view content) {
  constexpr std::string_view kBegin = "{\"benchmark\":\"";
  content.remove_prefix(std::min(content.find_first_not_of(" \t\r\n"), content.size()));
  return content.starts_with(kBegin) || kBegin.starts_with(content);
}

}  // namespace

Result<std::unique_ptr<ResultFile>> ResultFile::open(const std::string& path,
                                                     const ordered_json& config) {
  RESTKV_RETURN_IF_ERROR(check_path(path));
  std::unique_ptr<ResultFile> file(new ResultFile(path));
  struct stat info {};
  const bool is_new = stat(path.c_str(), &info) != 0;
  file->fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file->fd_ < 0) return failed("write", path);
  RESTKV_RETURN_IF_ERROR(file->lock());
  if (is_new) RESTKV_RETURN_IF_ERROR(sync_folder(path));
  RESTKV_RETURN_IF_ERROR(file->recover(config));
  return file;
}

Status ResultFile::check_path(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode)) return {};
  return Status::runtime("cannot write " + path + ": results need a regular file");
}

ResultFile::~ResultFile() {
  close();
}

void ResultFile::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Status ResultFile::lock() {
  if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) return Status::runtime(path_ + " is in use by another process");
  return failed("lock", path_);
}

Status ResultFile::recover(const ordered_json& config) {
  RESTKV_ASSIGN_OR_RETURN(const std::string content, read_all(fd_, path_));
  std::vector<Written> lines;
  const auto take = [&](const StoredLine& line, std::string_view text) -> Status {
    RESTKV_RETURN_IF_ERROR(check_config(line, config));
    const auto begin = static_cast<size_t>(text.data() - content.data());
    lines.push_back({begin, line.place.key(), line.variant, line.n_batch});
    return {};
  };
  RESTKV_ASSIGN_OR_RETURN(size_t end, for_each_line(content, path_, take));
  if (lines.empty() && !begins_like_ours(content))
    return Status::model(path_ + " is no file of results");
  RESTKV_RETURN_IF_ERROR(check_end(std::string_view(content).substr(end), path_, config));
  const size_t n_incomplete = count_incomplete(lines);
  if (n_incomplete > 0) end = lines[lines.size() - n_incomplete].begin;
  lines.resize(lines.size() - n_incomplete);
  for (const Written& line : lines)
    done_[line.key].insert(line.variant);
  n_line_ = static_cast<int64_t>(lines.size());
  if (end == content.size()) return {};
  if (ftruncate(fd_, static_cast<off_t>(end)) != 0 || fsync(fd_) != 0)
    return failed("write", path_);
  return {};
}

bool ResultFile::has(const std::string& sample_key, const std::string& variant) const {
  const auto found = done_.find(sample_key);
  return found != done_.end() && found->second.contains(variant);
}

Status ResultFile::append(std::string_view lines) {
  const off_t before = lseek(fd_, 0, SEEK_END);
  const auto undo = [&] {
    const Status status = failed("write", path_);
    if (before < 0 || ftruncate(fd_, before) != 0)
      return Status::runtime(status.message() + "; its last lines may be incomplete");
    return status;
  };
  if (before < 0) return undo();
  while (!lines.empty()) {
    const ssize_t n = write(fd_, lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return undo();
    lines.remove_prefix(static_cast<size_t>(n));
  }
  return fsync(fd_) == 0 ? Status() : undo();
}

Result<size_t> for_each_result_line(const std::string& path, const TakeLine& take) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Status::model("cannot open " + path + ": " + std::strerror(errno));
  const auto content = read_all(fd, path);
  ::close(fd);
  if (!content.ok()) return content.status();
  RESTKV_ASSIGN_OR_RETURN(const size_t end, for_each_line(*content, path, take));
  return content->size() - end;
}

}  // namespace restkv
