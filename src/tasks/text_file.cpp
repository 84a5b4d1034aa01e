#include "tasks/text_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/json_depth.h"
#include "scores/text.h"

namespace restkv {

Result<std::string> read_text_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return Status::model(path + " is a folder, it must be a file");
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status::model("cannot read " + path + ": " + std::strerror(errno));
  std::string content(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return Status::model("cannot read " + path + ": " + std::strerror(errno));
  return content;
}

Result<nlohmann::json> read_json_file(const std::string& path) {
  RESTKV_ASSIGN_OR_RETURN(const std::string content, read_text_file(path));
  const Status depth = check_json_depth(content);
  if (!depth.ok()) return Status::model(path + ": " + depth.message());
  nlohmann::json document =
      nlohmann::json::parse(encode_utf8(decode_utf8(content)), nullptr, false);
  if (document.is_discarded()) return Status::model(path + " is not JSON");
  return document;
}

}  // namespace restkv
