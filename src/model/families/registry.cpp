#include "model/families/registry.h"

namespace restkv {

std::span<const Family> families() {
  static const Family list[] = {kLlama, kQwen2, kGemma};
  return list;
}

const Family* find_family(std::string_view arch) {
  for (const Family& family : families()) {
    if (family.arch == arch) return &family;
  }
  return nullptr;
}

std::vector<std::string_view> family_names() {
  std::vector<std::string_view> names;
  for (const Family& family : families())
    names.push_back(family.arch);
  return names;
}

}  // namespace restkv
