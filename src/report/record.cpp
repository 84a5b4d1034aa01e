#include "report/record.h"

#include <cmath>

namespace restkv::report {
namespace {

using nlohmann::json;

// Null pointer: missing, or null.
const json* find(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Status wrong(const std::string& name, const json& value, const std::string& allowed) {
  constexpr size_t kShown = 60;
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  return Status::model("field " + name + " is " + text + ", it must be " + allowed);
}

Status missing(const std::string& name) {
  return Status::model("field " + name + " is missing");
}

Result<std::string> text(const json& object, const char* name) {
  const json* const value = find(object, name);
  if (value == nullptr) return missing(name);
  if (!value->is_string()) return wrong(name, *value, "a string");
  return value->get<std::string>();
}

Result<std::string> text_or(const json& object, const char* name, const char* otherwise) {
  if (find(object, name) == nullptr) return std::string(otherwise);
  return text(object, name);
}

Result<std::string> sample_id(const json& line) {
  const json* const value = find(line, "sample");
  if (value == nullptr) return missing("sample");
  if (value->is_string()) return value->get<std::string>();
  if (value->is_number_integer()) return value->dump();
  return wrong("sample", *value, "a string or a whole number");
}

Result<std::optional<int64_t>> whole(const json& object, const char* name) {
  const json* const value = find(object, name);
  if (value == nullptr) return std::optional<int64_t>();
  constexpr uint64_t kMax = uint64_t{1} << 53;
  if (!value->is_number_integer() || *value < 0 || *value > kMax)
    return wrong(name, *value, "a whole number, not negative");
  return std::optional(value->get<int64_t>());
}

Result<std::optional<double>> number(const json& object, const char* name, double least,
                                     double most) {
  const json* const value = find(object, name);
  if (value == nullptr) return std::optional<double>();
  const double x = value->is_number() ? value->get<double>() : std::nan("");
  if (x >= least && x <= most) return std::optional(x);
  json range = json::array({least, most});
  return wrong(name, *value, "a number in " + range.dump());
}

// The name without the word that states the budget, "B128".
std::string without_budget(const std::string& variant, int64_t budget) {
  const std::string word = std::string("B").append(std::to_string(budget));
  std::string name;
  for (size_t begin = 0; begin <= variant.size();) {
    const size_t end = std::min(variant.find(' ', begin), variant.size());
    const std::string part = variant.substr(begin, end - begin);
    if (part != word && !part.empty()) name += (name.empty() ? "" : " ") + part;
    begin = end + 1;
  }
  return name.empty() ? variant : name;
}

Status read_cache(const json& line, Record* record) {
  const json* const kv = find(line, "kv");
  if (kv == nullptr) return missing("kv");
  if (!kv->is_object()) return wrong("kv", *kv, "an object");
  constexpr double kMaxBytes = 1e18;
  Series& series = record->series;
  RESTKV_ASSIGN_OR_RETURN(series.policy, text(*kv, "policy"));
  RESTKV_ASSIGN_OR_RETURN(series.layer_budget, text_or(*kv, "layer_budget", "uniform"));
  RESTKV_ASSIGN_OR_RETURN(series.head_budget, text_or(*kv, "head_budget", "uniform"));
  RESTKV_ASSIGN_OR_RETURN(series.granularity, text_or(*kv, "granularity", "kv-head"));
  RESTKV_ASSIGN_OR_RETURN(series.type, text_or(*kv, "type", "f16"));
  RESTKV_ASSIGN_OR_RETURN(const auto kernel, whole(*kv, "kernel"));
  RESTKV_ASSIGN_OR_RETURN(const auto budget, whole(*kv, "budget"));
  RESTKV_ASSIGN_OR_RETURN(const auto over_budget, whole(*kv, "over_budget"));
  RESTKV_ASSIGN_OR_RETURN(record->kv_bytes, number(*kv, "bytes", 0, kMaxBytes));
  RESTKV_ASSIGN_OR_RETURN(record->full_bytes, number(*kv, "full_bytes", 0, kMaxBytes));
  series.kernel = kernel.value_or(0);
  record->budget = series.policy == "full" ? 0 : budget.value_or(0);
  record->over_budget = over_budget.value_or(0);
  RESTKV_ASSIGN_OR_RETURN(const std::string variant, text(line, "variant"));
  series.name = without_budget(variant, record->budget);
  return {};
}

Status read_score(const json& line, const Measure& measure, Record* record) {
  constexpr double kMost = 1e9;
  if (!measure.is_score()) {
    RESTKV_ASSIGN_OR_RETURN(
        record->score, number(line["scores"], std::string(measure.field).c_str(), -kMost, kMost));
    return {};
  }
  if (!line.contains("score")) return missing("score");
  RESTKV_ASSIGN_OR_RETURN(record->score, number(line, "score", 0, 1));
  return {};
}

}  // namespace

bool has_measure(const json& line, const Measure& measure) {
  if (measure.is_score()) return true;
  const json* const scores = find(line, "scores");
  return scores != nullptr && scores->is_object() &&
         find(*scores, std::string(measure.field).c_str()) != nullptr;
}

Result<Record> read_record(const json& line, const Measure& measure) {
  Record record;
  RESTKV_ASSIGN_OR_RETURN(record.benchmark, text(line, "benchmark"));
  RESTKV_ASSIGN_OR_RETURN(record.task, text_or(line, "task", record.benchmark.c_str()));
  RESTKV_ASSIGN_OR_RETURN(record.sample, sample_id(line));
  RESTKV_RETURN_IF_ERROR(read_cache(line, &record));
  RESTKV_RETURN_IF_ERROR(read_score(line, measure, &record));
  RESTKV_ASSIGN_OR_RETURN(const auto truncated, whole(line, "truncated_tokens"));
  record.truncated = truncated.value_or(0) > 0;
  if (record.benchmark != "longbench") {
    RESTKV_ASSIGN_OR_RETURN(record.length, whole(line, "length"));
  }
  if (record.benchmark == "niah") {
    RESTKV_ASSIGN_OR_RETURN(record.depth, number(line, "depth", 0, 100));
  }
  const json* const config = find(line, "config");
  if (config == nullptr) return missing("config");
  if (!config->is_object()) return wrong("config", *config, "an object");
  record.config = *config;
  return record;
}

}  // namespace restkv::report
