// A report as one HTML page that needs nothing else. Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "report/document.h"

namespace restkv::report {

std::string html(const Document& document);

// Text as it may stand between tags or in an attribute.
std::string html_escaped(std::string_view text);
// JSON as it may stand in a script element: no "<" is left that could end it.
std::string script_json(const nlohmann::ordered_json& value);
// `page` with each {{name}} replaced, in one pass: what is put in is not searched again.
std::string filled(std::string_view page,
                   const std::vector<std::pair<std::string_view, std::string_view>>& values);

}  // namespace restkv::report
