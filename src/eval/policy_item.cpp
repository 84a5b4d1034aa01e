#include "eval/policy_item.h"

#include <array>
#include <charconv>
#include <string_view>

namespace restkv {
namespace {

// A setting that an item may have.
struct Setting {
  std::string_view name;
  Status (*apply)(const std::string& value, PolicyOptions* options);
};

Status wrong(std::string_view name, const std::string& value, const char* allowed) {
  return Status::usage("--kv-policy: " + std::string(name) + " is \"" + value + "\", it must be " +
                       allowed);
}

template <typename T>
Status read_number(std::string_view name, const std::string& value, T* number) {
  const char* const end = value.data() + value.size();
  const auto read = std::from_chars(value.data(), end, *number);
  if (read.ec == std::errc() && read.ptr == end) return {};
  return wrong(name, value, "a number");
}

Status read_switch(std::string_view name, const std::string& value) {
  return value.empty() ? Status() : wrong(name, value, "there without a value");
}

constexpr std::array<Setting, 10> kSettings = {{
    {"window",
     [](const std::string& v, PolicyOptions* o) { return read_number("window", v, &o->window); }},
    {"alpha",
     [](const std::string& v, PolicyOptions* o) { return read_number("alpha", v, &o->alpha); }},
    {"beta",
     [](const std::string& v, PolicyOptions* o) { return read_number("beta", v, &o->beta); }},
    {"tau", [](const std::string& v, PolicyOptions* o) { return read_number("tau", v, &o->tau); }},
    {"mode",
     [](const std::string& v, PolicyOptions* o) {
       o->mode_before = v == "before";
       return v == "before" || v == "after" ? Status() : wrong("mode", v, "after or before");
     }},
    {"temporal",
     [](const std::string& v, PolicyOptions* o) {
       o->temporal = v;
       return Status();
     }},
    {"spatial",
     [](const std::string& v, PolicyOptions* o) {
       o->spatial = v;
       return Status();
     }},
    {"indicator",
     [](const std::string& v, PolicyOptions* o) {
       o->indicator = v;
       return Status();
     }},
    {"no-projection",
     [](const std::string& v, PolicyOptions* o) {
       o->use_projection = false;
       return read_switch("no-projection", v);
     }},
    {"norm",
     [](const std::string& v, PolicyOptions* o) {
       o->use_norm = true;
       return read_switch("norm", v);
     }},
}};

std::string names_of_settings() {
  std::string names;
  for (const Setting& setting : kSettings)
    names.append(names.empty() ? "" : ", ").append(setting.name);
  return names;
}

// The pieces between separators.
std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> pieces;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string::npos; begin = end + 1)
    pieces.push_back(text.substr(begin, end - begin));
  pieces.push_back(text.substr(begin));
  return pieces;
}

}  // namespace

Result<PolicyItem> parse_policy_item(const std::string& text) {
  const std::vector<std::string> parts = split(text, '+');
  const std::vector<std::string> words = split(parts[0], ':');
  PolicyItem item{.policy = words[0]};
  for (size_t w = 1; w < words.size(); ++w) {
    const size_t equals = words[w].find('=');
    const bool valued = equals != std::string::npos;
    item.settings.emplace_back(words[w].substr(0, equals),
                               valued ? words[w].substr(equals + 1) : "");
  }
  for (size_t p = 1; p < parts.size(); ++p) {
    bool* const chosen = parts[p] == "pyramid" ? &item.pyramid
                         : parts[p] == "ada"   ? &item.ada
                                               : nullptr;
    if (chosen == nullptr || *chosen) {
      return Status::usage("--kv-policy is \"" + text + "\", a policy may be followed by +pyramid" +
                           " and +ada, each once");
    }
    *chosen = true;
  }
  return item;
}

Status apply_settings(const PolicyItem& item, PolicyOptions* options) {
  for (const auto& [name, value] : item.settings) {
    const Setting* found = nullptr;
    for (const Setting& setting : kSettings)
      if (setting.name == name) found = &setting;
    if (found == nullptr) {
      return Status::usage("--kv-policy: " + item.policy + " is followed by \"" + name +
                           "\", allowed: " + names_of_settings());
    }
    RESTKV_RETURN_IF_ERROR(found->apply(value, options));
  }
  return {};
}

}  // namespace restkv
