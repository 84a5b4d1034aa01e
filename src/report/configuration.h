// How a section's configuration is said. Thread safety: pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/results.h"

namespace restkv::report {

// Its values by name, those of inner objects as "model name".
std::vector<std::pair<std::string, std::string>> facts_of(const Section& section);

// "ruler, Qwen2.5-Coder-0.5B", and what tells the section apart from others of that name.
std::vector<std::string> titles_of(const std::vector<Section>& sections);

}  // namespace restkv::report
