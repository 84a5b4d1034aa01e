#include "report/html.h"

#include <gtest/gtest.h>

#include "lines.h"
#include "report/assets.h"
#include "report/sections.h"

namespace restkv::report {
namespace {

size_t count(const std::string& text, const std::string& word) {
  size_t n = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    ++n;
  return n;
}

Document hostile() {
  LineSpec spec = evicted("snapkv", 64, 5);
  spec.variant = "</script><script>alert(1)</script> {{data}} B64";
  spec.task = "<img src=x onerror=alert(2)>";
  spec.model = "\"><b>bold</b>";
  const Results results = load({{LineSpec()}, {spec}});
  ReportOptions options;
  options.title = "</title><script>alert(3)</script>";
  options.resampling.n_resample = 100;
  return make_document(results, 0, options);
}

TEST(Page, Escapes) {
  EXPECT_EQ(html_escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
  EXPECT_EQ(script_json({{"a", "</script>"}}), R"({"a":"\u003c/script>"})");
  EXPECT_EQ(nlohmann::json::parse(script_json({"<!--"}))[0], "<!--");
  EXPECT_EQ(script_json({"\xff"}), "[\"\xef\xbf\xbd\"]");
}

TEST(Page, FillsInOnePass) {
  EXPECT_EQ(filled("{{a}} and {{b}} and {{c}} {{", {{"a", "{{b}}"}, {"b", "2"}}),
            "{{b}} and 2 and {{c}} {{");
}

TEST(Page, NamesCannotBreakOut) {
  const std::string page = html(hostile());
  EXPECT_EQ(count(page, "alert("), count(page, "&gt;alert(") + count(page, "u003cscript>alert(") +
                                       count(page, "onerror=alert("));
  EXPECT_EQ(count(page, "<img"), 0u);
  EXPECT_EQ(count(page, "<b>"), 0u);
  EXPECT_EQ(count(page, "</script>"), 3u);  // data, the library, the page's own
}

TEST(Page, NeedsNothingElse) {
  const std::string page = html(hostile());
  for (const char* word : {"src=\"", "<link", "@import", "url(", "fetch("})
    EXPECT_EQ(count(page.substr(0, page.find("<script")), word), 0u) << word;
  EXPECT_EQ(kChartLibraryJs.find("</script"), std::string_view::npos);
  EXPECT_EQ(kChartsJs.find("</script"), std::string_view::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
}

TEST(Page, TablesAreThereWithoutScripts) {
  std::vector<LineSpec> lines = scored(evicted("snapkv", 64, 5), {1, 0, 1, 1});
  const Results results = load({scored({}, {1, 1, 1, 1}), lines});
  const std::string page = html(make_document(results, 0, {}));
  EXPECT_NE(page.find("<th scope=\"row\">snapkv k5</th>"), std::string::npos);
  EXPECT_NE(page.find("75.00 ["), std::string::npos);
  EXPECT_EQ(count(page, "data-charts="), 2u);
}

}  // namespace
}  // namespace restkv::report
