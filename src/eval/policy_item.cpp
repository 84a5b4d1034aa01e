#include "eval/policy_item.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace restkv {
namespace {

enum class ReadBy { all_with_scores, rest_kv, rest_kv_and_snapkv };

// A setting that an item may have.
struct Setting {
  std::string_view name;
  ReadBy read_by;
  bool is_switch;  // it has no value
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

using Value = const std::string&;
constexpr std::array<Setting, 10> kSettings = {{
    {"window", ReadBy::all_with_scores, false,
     [](Value v, PolicyOptions* o) { return read_number("window", v, &o->window); }},
    {"alpha", ReadBy::rest_kv, false,
     [](Value v, PolicyOptions* o) { return read_number("alpha", v, &o->alpha); }},
    {"beta", ReadBy::rest_kv, false,
     [](Value v, PolicyOptions* o) { return read_number("beta", v, &o->beta); }},
    {"tau", ReadBy::rest_kv, false,
     [](Value v, PolicyOptions* o) { return read_number("tau", v, &o->tau); }},
    {"mode", ReadBy::rest_kv, false,
     [](Value v, PolicyOptions* o) {
       o->mode_before = v == "before";
       return v == "before" || v == "after" ? Status() : wrong("mode", v, "after or before");
     }},
    {"temporal", ReadBy::rest_kv_and_snapkv, false,
     [](Value v, PolicyOptions* o) { return o->temporal = v, Status(); }},
    {"spatial", ReadBy::rest_kv_and_snapkv, false,
     [](Value v, PolicyOptions* o) { return o->spatial = v, Status(); }},
    {"indicator", ReadBy::rest_kv, false,
     [](Value v, PolicyOptions* o) { return o->indicator = v, Status(); }},
    {"no-projection", ReadBy::rest_kv, true,
     [](Value, PolicyOptions* o) { return o->use_projection = false, Status(); }},
    {"norm", ReadBy::rest_kv, true,
     [](Value, PolicyOptions* o) { return o->use_norm = true, Status(); }},
}};

bool is_read_by(const Setting& setting, const PolicyTraits& policy) {
  if (policy.keeps_all || policy.position_only) return false;
  if (setting.read_by == ReadBy::all_with_scores || policy.name == "rest-kv") return true;
  return setting.read_by == ReadBy::rest_kv_and_snapkv && policy.name == "snapkv";
}

std::string names_of_settings() {
  std::string names;
  for (const Setting& setting : kSettings)
    names.append(names.empty() ? "" : ", ").append(setting.name);
  return names;
}

const Setting* find_setting(const std::string& name) {
  const auto found = std::ranges::find(kSettings, name, &Setting::name);
  return found == kSettings.end() ? nullptr : &*found;
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
    const std::string name = words[w].substr(0, equals);
    const bool is_new =
        std::ranges::none_of(item.settings, [&](const auto& known) { return known.first == name; });
    if (!is_new) return Status::usage("--kv-policy is \"" + text + "\", " + name + " stands twice");
    item.settings.emplace_back(name,
                               equals == std::string::npos ? "" : words[w].substr(equals + 1));
  }
  for (size_t p = 1; p < parts.size(); ++p) {
    bool* const chosen = parts[p] == "pyramid" ? &item.pyramid
                         : parts[p] == "ada"   ? &item.ada
                                               : nullptr;
    if (chosen == nullptr || *chosen) {
      return Status::usage("--kv-policy is \"" + text +
                           "\", a policy may be followed by its settings, then by +pyramid" +
                           " and +ada, each once");
    }
    *chosen = true;
  }
  return item;
}

Status apply_settings(const PolicyItem& item, PolicyOptions* options) {
  for (const auto& [name, value] : item.settings) {
    const Setting* const setting = find_setting(name);
    if (setting == nullptr) {
      return Status::usage("--kv-policy: " + item.policy + " is followed by \"" + name +
                           "\", allowed: " + names_of_settings());
    }
    if (setting->is_switch != value.empty())
      return wrong(name, value,
                   setting->is_switch ? "there without a value" : "there with a value");
    RESTKV_RETURN_IF_ERROR(setting->apply(value, options));
  }
  return {};
}

Status check_settings(const PolicyItem& item, const PolicyTraits& policy) {
  for (const auto& [name, value] : item.settings) {
    const Setting* const setting = find_setting(name);
    if (setting == nullptr || is_read_by(*setting, policy)) continue;
    return Status::usage("--kv-policy: " + item.policy + " is followed by \"" + name +
                         "\", which it does not read");
  }
  return {};
}

}  // namespace restkv
