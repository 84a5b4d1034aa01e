// The files of src/report/page and Chart.js, as they were when the program was built.
#pragma once

#include <string_view>

namespace restkv::report {

extern const std::string_view kPageHtml, kStyleCss, kChartsJs, kLicencesTxt;
extern const std::string_view kChartLibraryJs;  // empty where it was not found: no charts then

}  // namespace restkv::report
