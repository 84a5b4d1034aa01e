#include "tasks/system_files.h"

#include <algorithm>
#include <filesystem>
#include <vector>

namespace restkv {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOpticks = "src/testdata/Isaac.Newton-Opticks.txt";

std::optional<std::string> find_opticks() {
  std::vector<std::string> found;
  for (const char* const parent : {"/usr/share", "/usr/lib"}) {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(parent, error)) {
      if (!entry.path().filename().string().starts_with("go")) continue;
      const fs::path path = entry.path() / kOpticks;
      std::error_code ignored;
      if (fs::is_regular_file(path, ignored)) found.push_back(path.string());
    }
    if (!found.empty()) return *std::ranges::max_element(found);
  }
  return {};
}

}  // namespace

std::optional<std::string> find_system_file(SystemFile file) {
  if (file == SystemFile::prose) return find_opticks();
  std::error_code error;
  const std::string folder = "/usr/share/wordnet";
  if (fs::is_regular_file(folder + "/index.noun", error)) return folder;
  return {};
}

}  // namespace restkv
