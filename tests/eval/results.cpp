#include "tests/eval/results.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace restkv::test {

TempFile::TempFile(const std::string& name)
    : path_(testing::TempDir() + "restkv_" + std::to_string(getpid()) + "_" + name) {
  std::filesystem::remove(path_);
}

TempFile::~TempFile() {
  std::filesystem::remove(path_);
}

std::string TempFile::content() const {
  std::ifstream file(path_, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void TempFile::write(const std::string& content) const {
  std::ofstream(path_, std::ios::binary) << content;
}

nlohmann::ordered_json made_config(int seed) {
  return {{"restkv", "0"}, {"model", {{"name", "tiny"}, {"bytes", 1}}}, {"seed", seed}};
}

std::string made_line(const MadeLine& line, const nlohmann::ordered_json& config) {
  const nlohmann::ordered_json record{
      {"benchmark", "ruler"},  {"task", line.task},
      {"length", 1024},        {"sample", std::to_string(line.number)},
      {"number", line.number}, {"variant", line.variant},
      {"batch", line.n_batch}, {"prediction", line.prediction},
      {"score", 0.5},          {"config", config}};
  return record.dump() + "\n";
}

std::string made_block(int number, const std::vector<std::string>& variants) {
  std::string block;
  for (const std::string& variant : variants)
    block += made_line(
        {.number = number, .variant = variant, .n_batch = static_cast<int>(variants.size())});
  return block;
}

}  // namespace restkv::test
