// A report as Markdown. Thread safety: a pure function.
#pragma once

#include <string>

#include "report/document.h"

namespace restkv::report {

// GitHub's dialect. Names from files are escaped: none can end a cell or begin a tag.
std::string markdown(const Document& document);

}  // namespace restkv::report
