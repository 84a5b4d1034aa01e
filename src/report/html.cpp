#include "report/html.h"

#include <algorithm>

#include "report/assets.h"
#include "report/numbers.h"

namespace restkv::report {
namespace {

using Texts = std::vector<std::string>;

void put(std::string* out, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts)
    out->append(part);
}

void add_notes(const Texts& notes, std::string* out) {
  for (const std::string& note : notes)
    put(out, {"<p class=\"note\">", html_escaped(note), "</p>\n"});
}

void add_list(const Texts& items, std::string* out) {
  if (items.empty()) return;
  put(out, {"<ul>\n"});
  for (const std::string& item : items)
    put(out, {"<li>", html_escaped(item), "</li>\n"});
  put(out, {"</ul>\n"});
}

void add_head(const Texts& columns, size_t n_text, std::string* out) {
  put(out, {"<thead><tr>"});
  for (size_t i = 0; i < columns.size(); ++i) {
    put(out, {"<th scope=\"col\"", i < n_text ? "" : " class=\"number\"", ">",
              html_escaped(columns[i]), "</th>"});
  }
  put(out, {"</tr></thead>\n"});
}

void add_rows(const Table& table, std::string* out) {
  put(out, {"<tbody>\n"});
  for (const Texts& row : table.rows) {
    put(out, {"<tr><th scope=\"row\">", html_escaped(row.front()), "</th>"});
    for (size_t i = 1; i < row.size(); ++i) {
      const bool is_word = i < table.n_text, differs = !is_word && row[i].ends_with('*');
      put(out, {"<td",
                is_word   ? ""
                : differs ? " class=\"number differs\""
                          : " class=\"number\"",
                ">", html_escaped(row[i]), "</td>"});
    }
    put(out, {"</tr>\n"});
  }
  put(out, {"</tbody>\n"});
}

// A table wider than the screen scrolls by itself, also by keys.
void add_scrolled(const std::string& title, const std::string& table, std::string* out) {
  put(out, {"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"",
            html_escaped(title), "\">\n", table, "</div>\n"});
}

void add_table(const Table& table, std::string* out) {
  std::string inner = "<table>\n";
  if (table.is_summary) put(&inner, {"<caption>", html_escaped(table.title), "</caption>\n"});
  add_head(table.columns, table.n_text, &inner);
  add_rows(table, &inner);
  put(&inner, {"</table>\n"});
  if (table.is_summary) return add_scrolled(table.title, inner, out);
  put(out, {"<details><summary>", html_escaped(table.title), "</summary>\n"});
  add_scrolled(table.title, inner, out);
  put(out, {"</details>\n"});
}

void add_map(const HeatMap& map, std::string* out) {
  std::string inner = "<table class=\"map\">\n";
  put(&inner, {"<caption>", html_escaped(map.title), "</caption>\n"});
  Texts columns = {"depth, %"};
  columns.insert(columns.end(), map.lengths.begin(), map.lengths.end());
  add_head(columns, 0, &inner);
  put(&inner, {"<tbody>\n"});
  for (size_t d = 0; d < map.depths.size(); ++d) {
    put(&inner, {"<tr><th scope=\"row\">", html_escaped(map.depths[d]), "</th>"});
    for (size_t l = 0; l < map.lengths.size(); ++l) {
      const auto& score = map.scores[d * map.lengths.size() + l];
      const std::string number = score ? fixed(*score, 2) : "";
      const std::string attribute =
          score ? " style=\"--score:" + fixed(*score, 3) + "\"" : " class=\"none\"";
      put(&inner, {"<td", attribute, ">", number, "</td>"});
    }
    put(&inner, {"</tr>\n"});
  }
  put(&inner, {"</tbody>\n</table>\n"});
  add_scrolled(map.title, inner, out);
}

void add_chapter(const Chapter& chapter, const std::string& section, std::string* out) {
  put(out, {"<h3>", html_escaped(chapter.title), "</h3>\n"});
  add_notes(chapter.notes, out);
  if (!chapter.chart.empty()) {
    put(out, {"<div data-charts=\"", chapter.chart, "\" data-section=\"", section, "\"></div>\n"});
  }
  for (const Table& table : chapter.tables)
    add_table(table, out);
  if (chapter.maps.empty()) return;
  put(out, {"<div class=\"maps\">\n"});
  for (const HeatMap& map : chapter.maps)
    add_map(map, out);
  put(out, {"</div>\n"});
}

void add_section(const SectionPage& section, size_t place, std::string* out) {
  const std::string number = std::to_string(place);
  put(out, {"<section id=\"section-", number, "\">\n<h2>", html_escaped(section.title),
            "</h2>\n<dl class=\"facts\">\n"});
  for (const auto& [name, value] : section.facts) {
    put(out, {"<div><dt>", html_escaped(name), "</dt><dd>", html_escaped(value), "</dd></div>\n"});
  }
  put(out, {"</dl>\n"});
  if (!section.left_out.empty()) {
    put(out, {"<p>What was left out:</p>\n"});
    add_list(section.left_out, out);
  }
  for (const Chapter& chapter : section.chapters)
    add_chapter(chapter, number, out);
  put(out, {"</section>\n"});
}

void add_contents(const std::vector<SectionPage>& sections, std::string* out) {
  if (sections.size() < 2) return;
  put(out, {"<nav aria-label=\"Contents\">\n<ul>\n"});
  for (size_t s = 0; s < sections.size(); ++s) {
    put(out, {"<li><a href=\"#section-", std::to_string(s), "\">", html_escaped(sections[s].title),
              "</a></li>\n"});
  }
  put(out, {"</ul>\n</nav>\n"});
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string script_json(const nlohmann::ordered_json& value) {
  std::string out;
  for (const char c : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string filled(std::string_view page,
                   const std::vector<std::pair<std::string_view, std::string_view>>& values) {
  std::string out;
  while (!page.empty()) {
    const size_t begin = std::min(page.find("{{"), page.size());
    out += page.substr(0, begin);
    page.remove_prefix(begin);
    const size_t end = page.find("}}");
    if (page.empty() || end == std::string_view::npos) break;
    const std::string_view name = page.substr(2, end - 2);
    const auto found =
        std::ranges::find(values, name, &std::pair<std::string_view, std::string_view>::first);
    out += found == values.end() ? page.substr(0, end + 2) : found->second;
    page.remove_prefix(end + 2);
  }
  return out.append(page);
}

std::string html(const Document& document) {
  std::string body;
  add_list(document.left_out, &body);
  add_notes(document.method, &body);
  add_contents(document.sections, &body);
  nlohmann::ordered_json data = nlohmann::ordered_json::array();
  for (size_t s = 0; s < document.sections.size(); ++s) {
    add_section(document.sections[s], s, &body);
    data.push_back(document.sections[s].chart_data);
  }
  const std::string title = html_escaped(document.title), json = script_json(data);
  return filled(kPageHtml, {{"title", title},
                            {"style", kStyleCss},
                            {"body", body},
                            {"licences", html_escaped(kLicencesTxt)},
                            {"data", json},
                            {"chart", kChartLibraryJs},
                            {"script", kChartsJs}});
}

}  // namespace restkv::report
