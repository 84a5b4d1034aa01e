#include "report/results.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "report/order.h"

namespace restkv::report {
namespace {

using VariantKey = std::pair<SeriesKey, int64_t>;
using StratumKey = std::tuple<int64_t, size_t, std::string>;  // length, the task's rank and name

const double kNone = std::nan("");

struct DraftSample {
  std::optional<double> depth;
  std::map<size_t, double> scores;  // by variant, in order of appearance; NaN: without score
};

struct DraftStratum {
  std::string task;
  std::optional<int64_t> length;
  std::map<std::string, DraftSample> samples;
  std::map<size_t, Cell> cells;  // by variant, in order of appearance
};

struct DraftSection {
  std::string benchmark;
  const Measure* measure = nullptr;
  nlohmann::json config;
  std::map<VariantKey, std::pair<size_t, Series>> variants;  // place in order of appearance
  std::map<StratumKey, DraftStratum> strata;
};

bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

std::string say(double score) {
  return std::isnan(score) ? "null" : nlohmann::json(score).dump();
}

void count(const Record& record, Cell* cell) {
  ++cell->n_line;
  cell->n_without_score += !record.score.has_value();
  cell->n_truncated += record.truncated;
  cell->n_over_budget += record.over_budget > 0;
  if (record.kv_bytes) cell->kv_bytes.add(*record.kv_bytes);
  if (record.full_bytes) cell->full_bytes.add(*record.full_bytes);
}

// What tells apart series whose variants have one name goes behind it.
void make_names_unique(std::vector<Series>* series) {
  using Field = std::string (*)(const Series&);
  constexpr Field kFields[] = {
      [](const Series& s) { return s.granularity; },
      [](const Series& s) { return s.type; },
      [](const Series& s) { return "layers " + s.layer_budget; },
      [](const Series& s) { return "heads " + s.head_budget; },
      [](const Series& s) { return std::string("k").append(std::to_string(s.kernel)); },
      [](const Series& s) { return s.policy; },
  };
  const std::vector<Series> before = *series;
  for (size_t i = 0; i < before.size(); ++i) {
    for (const Field field : kFields) {
      const bool differs = std::ranges::any_of(before, [&](const Series& other) {
        return other.name == before[i].name && field(other) != field(before[i]);
      });
      if (differs) (*series)[i].name.append(" ").append(field(before[i]));
    }
  }
}

Stratum finish_stratum(DraftStratum&& draft, const std::vector<size_t>& places) {
  Stratum stratum{draft.task, draft.length, {}, {}, {}};
  const size_t n_sample = draft.samples.size();
  for (const size_t place : places) {
    Cell& cell = stratum.cells.emplace_back(std::move(draft.cells[place]));
    cell.scores.assign(n_sample, kNone);
  }
  size_t i = 0;
  for (auto& [id, sample] : draft.samples) {
    stratum.samples.push_back(id);
    stratum.depths.push_back(sample.depth);
    for (size_t v = 0; v < places.size(); ++v) {
      const auto found = sample.scores.find(places[v]);
      if (found != sample.scores.end()) stratum.cells[v].scores[i] = found->second;
    }
    ++i;
  }
  return stratum;
}

Section finish_section(DraftSection&& draft) {
  Section section{draft.benchmark, draft.measure, std::move(draft.config), {}, {}, {}};
  std::vector<size_t> places;  // of the variants in their final order
  for (const auto& [key, variant] : draft.variants) {
    const auto& [place, series] = variant;
    if (section.series.empty() || section.series.back() != series) section.series.push_back(series);
    section.variants.push_back({section.series.size() - 1, key.second});
    places.push_back(place);
  }
  make_names_unique(&section.series);
  for (auto& [key, stratum] : draft.strata)
    section.strata.push_back(finish_stratum(std::move(stratum), places));
  return section;
}

}  // namespace

struct ResultLoader::Drafts {
  std::map<std::tuple<size_t, std::string, std::string_view>, DraftSection> sections;
  size_t n_line = 0, n_repeated = 0;

  // False: it says what another one said.
  Result<bool> take(const Record& record, const Measure& measure);
};

Result<bool> ResultLoader::Drafts::take(const Record& record, const Measure& measure) {
  DraftSection& section = sections[{benchmark_rank(record.benchmark),
                                    record.benchmark + " " + record.config.dump(), measure.field}];
  section.benchmark = record.benchmark;
  section.measure = &measure;
  section.config = record.config;
  const VariantKey key{series_key(record.series), record.budget};
  const size_t variant =
      section.variants.try_emplace(key, section.variants.size(), record.series).first->second.first;
  DraftStratum& stratum = section.strata[{record.length.value_or(-1),
                                          task_rank(record.benchmark, record.task), record.task}];
  stratum.task = record.task;
  stratum.length = record.length;
  DraftSample& sample = stratum.samples[record.sample];
  const double score = record.score.value_or(kNone);
  const auto [known, is_new] = sample.scores.try_emplace(variant, score);
  if (!is_new && !same(known->second, score)) {
    return Status::model("sample " + record.sample + " of " + record.task + " scores " +
                         say(score) + " with " + record.series.name + ", another line says " +
                         say(known->second));
  }
  if (is_new) {
    sample.depth = record.depth;
    count(record, &stratum.cells[variant]);
  }
  return is_new;
}

ResultLoader::ResultLoader() : drafts_(std::make_unique<Drafts>()) {}
ResultLoader::~ResultLoader() = default;

Status ResultLoader::take(const nlohmann::json& line) {
  const auto benchmark = line.find("benchmark");
  const bool named = benchmark != line.end() && benchmark->is_string();
  std::vector<std::pair<const Measure*, Record>> records;  // a line is taken whole, or not at all
  for (const Measure& measure : measures_of(named ? benchmark->get<std::string>() : "")) {
    if (!has_measure(line, measure)) continue;
    RESTKV_ASSIGN_OR_RETURN(Record record, read_record(line, measure));
    records.emplace_back(&measure, std::move(record));
  }
  bool is_new = false;
  for (const auto& [measure, record] : records) {
    RESTKV_ASSIGN_OR_RETURN(is_new, drafts_->take(record, *measure));
  }
  ++drafts_->n_line;
  drafts_->n_repeated += !is_new;
  return {};
}

Results ResultLoader::finish() {
  Results results;
  results.n_line = drafts_->n_line;
  results.n_repeated = drafts_->n_repeated;
  for (auto& [key, section] : drafts_->sections)
    results.sections.push_back(finish_section(std::move(section)));
  drafts_ = std::make_unique<Drafts>();
  return results;
}

}  // namespace restkv::report
