#include "report/configuration.h"

#include <algorithm>
#include <map>

namespace restkv::report {
namespace {

using nlohmann::json;
using Facts = std::vector<std::pair<std::string, std::string>>;

std::string words(std::string name) {
  std::ranges::replace(name, '_', ' ');
  return name;
}

std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, json::error_handler_t::replace);
}

void add_facts(const json& object, const std::string& prefix, Facts* facts) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_object()) {
      add_facts(value, prefix + words(name) + " ", facts);
    } else if (!value.is_null()) {
      facts->emplace_back(prefix + words(name), text_of(value));
    }
  }
}

std::string short_title(const Section& section) {
  const json::json_pointer model("/model/name");
  std::string title = section.benchmark;
  if (!section.measure->is_score()) title.append(", ").append(section.measure->name);
  if (section.config.contains(model)) title.append(", ").append(text_of(section.config.at(model)));
  return title;
}

// The facts of one that another does not share.
void add_differences(const Facts& mine, const Facts& other, Facts* differences) {
  for (const auto& fact : mine) {
    const bool shared = std::ranges::find(other, fact) != other.end();
    const bool known = std::ranges::find(*differences, fact) != differences->end();
    if (!shared && !known) differences->push_back(fact);
  }
}

}  // namespace

Facts facts_of(const Section& section) {
  Facts facts;
  add_facts(section.config, "", &facts);
  return facts;
}

std::vector<std::string> titles_of(const std::vector<Section>& sections) {
  std::vector<std::string> titles;
  for (const Section& section : sections) {
    Facts differences;
    for (const Section& other : sections) {
      if (&other != &section && short_title(other) == short_title(section))
        add_differences(facts_of(section), facts_of(other), &differences);
    }
    std::string title = short_title(section);
    for (const auto& [name, value] : differences)
      title.append(", ").append(name).append(" ").append(value);
    titles.push_back(title);
  }
  return titles;
}

}  // namespace restkv::report
