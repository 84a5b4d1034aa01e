// What tests of result files share: made-up lines, and files that go away.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace restkv::test {

// A path below the system's folder for such files; what is there is removed, now and at the end.
class TempFile {
 public:
  explicit TempFile(const std::string& name);
  ~TempFile();
  const std::string& path() const { return path_; }
  std::string content() const;
  void write(const std::string& content) const;

 private:
  std::string path_;
};

struct MadeLine {
  int number = 0;
  std::string variant = "full";
  int n_batch = 1;
  std::string task = "vt";
  std::string prediction = "17";
};
nlohmann::ordered_json made_config(int seed = 42);
// With its newline.
std::string made_line(const MadeLine& line, const nlohmann::ordered_json& config = made_config());
// The lines of one sample under these variants.
std::string made_block(int number, const std::vector<std::string>& variants);

}  // namespace restkv::test
