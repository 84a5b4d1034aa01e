#include "report/sections.h"

#include "report/comparisons.h"
#include "report/configuration.h"
#include "report/estimate.h"
#include "report/heat_maps.h"
#include "report/left_out.h"
#include "report/memory_table.h"
#include "report/numbers.h"
#include "report/paper.h"
#include "report/score_tables.h"
#include "report/section_json.h"

namespace restkv::report {
namespace {

SectionPage make_section(const Section& section, const std::string& title,
                         const ReportOptions& options) {
  const Estimates estimates = estimate(
      section, scopes_of(section), quantities_of(section, comparisons_of(section, options.against)),
      options.resampling);
  SectionPage page;
  page.title = title;
  page.facts = facts_of(section);
  page.left_out = left_out(section, estimates);
  std::vector chapters{score_chapter(section, estimates), difference_chapter(section, estimates)};
  if (section.measure->is_score()) {
    chapters.push_back(memory_chapter(section, estimates));
    chapters.push_back(heat_map_chapter(section, options.n_map));
    chapters.push_back(paper_chapter(section, estimates));
  }
  for (Chapter& chapter : chapters) {
    if (!chapter.tables.empty() || !chapter.maps.empty())
      page.chapters.push_back(std::move(chapter));
  }
  page.chart_data = chart_data(section, estimates);
  page.document = section_document(section, title, estimates, page.left_out);
  return page;
}

std::vector<std::string> method(const ReportOptions& options) {
  return {
      "Intervals are percentile bootstrap intervals of 95 % over samples: " +
          grouped(static_cast<int64_t>(options.resampling.n_resample)) + " resamples, seed " +
          std::to_string(options.resampling.seed) +
          ". Averages over tasks resample within each task; differences resample pairs.",
      "They say how far a score would move with other samples of the same tasks, not with other "
      "models or texts. An interval without width means that all samples scored alike, not that "
      "the "
      "score is certain.",
      "Results of different models, prompt styles, seeds or other settings stand in sections of "
      "their own and are never averaged together.",
  };
}

}  // namespace

Document make_document(const Results& results, size_t n_skipped, const ReportOptions& options) {
  Document document{options.title, {}, method(options), {}};
  document.left_out.push_back(counted(results.n_line, "result line") + " read.");
  if (n_skipped > 0)
    document.left_out.push_back(counted(n_skipped, "malformed line") + " skipped (--skip-bad).");
  if (results.n_repeated > 0) {
    document.left_out.push_back(counted(results.n_repeated, "line") +
                                " repeated another one and counted once.");
  }
  const std::vector<std::string> titles = titles_of(results.sections);
  for (size_t s = 0; s < results.sections.size(); ++s)
    document.sections.push_back(make_section(results.sections[s], titles[s], options));
  return document;
}

}  // namespace restkv::report
