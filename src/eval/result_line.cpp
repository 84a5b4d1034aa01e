#include "eval/result_line.h"

#include "cache/storage.h"
#include "core/json_depth.h"

namespace restkv {
namespace {

using nlohmann::ordered_json;

std::string dump(const ordered_json& document) {
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json describe_cache(const Variant& variant, const VariantCache& cache, size_t full_bytes) {
  constexpr const char* kLayer[] = {"uniform", "pyramid", "table"};
  constexpr const char* kHead[] = {"uniform", "ada", "table"};
  const CachePlan& plan = *variant.plan;
  const bool per_query = plan.config.selection.granularity == Granularity::query_head;
  ordered_json kv{{"policy", variant.policy},
                  {"budget", plan.config.budget},
                  {"layer_budget", kLayer[static_cast<int>(plan.layer_budget.kind)]},
                  {"head_budget", kHead[static_cast<int>(plan.head_budget.kind)]},
                  {"granularity", per_query ? "query-head" : "kv-head"},
                  {"kernel", nullptr},
                  {"type", storage_name(plan.config.type)},
                  {"entries", cache.n_entry},
                  {"over_budget", cache.over_budget},
                  {"bytes", cache.kv_bytes},
                  {"full_bytes", full_bytes}};
  if (plan.traits.keeps_all) kv["budget"] = nullptr;
  if (plan.traits.pools) kv["kernel"] = plan.config.policy.kernel;
  if (!variant.options.empty()) kv["options"] = variant.options;
  return kv;
}

Status missing(const char* field) {
  return Status::model(std::string("the line has no ") + field + ", it is no result line");
}

std::string member(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

std::string difference_at(const std::string& path, const ordered_json& now,
                          const ordered_json& before) {
  if (now == before) return {};
  if (!now.is_object() || !before.is_object())
    return path + " is " + dump(now) + ", " + dump(before) + " before";
  for (const auto& [name, value] : now.items()) {
    if (!before.contains(name)) return member(path, name) + " is " + dump(value) + ", none before";
    std::string text = difference_at(member(path, name), value, before[name]);
    if (!text.empty()) return text;
  }
  for (const auto& [name, value] : before.items())
    if (!now.contains(name)) return member(path, name) + " is missing, " + dump(value) + " before";
  return {};  // the same in another order
}

}  // namespace

std::string SamplePlace::key() const {
  ordered_json length_json = nullptr;
  if (length) length_json = *length;
  return dump(ordered_json::array({benchmark, task, length_json, sample}));
}

std::string result_line(const LineInput& input) {
  const SamplePlace& place = input.place;
  ordered_json line{{"benchmark", place.benchmark},
                    {"task", place.task},
                    {"length", nullptr},
                    {"sample", place.sample},
                    {"number", place.number},
                    {"variant", input.variant.name},
                    {"batch", input.n_batch},
                    {"kv", describe_cache(input.variant, input.cache, input.full_bytes)},
                    {"prompt_tokens", input.prompt.tokens.size()},
                    {"truncated_tokens", input.prompt.n_truncated},
                    {"new_tokens", input.answer.n_new},
                    {"finish_reason", input.answer.finish_reason},
                    {"prediction", input.answer.text},
                    {"score", nullptr},
                    {"scores", input.score.others}};
  if (place.length) line["length"] = *place.length;
  if (input.score.value) line["score"] = *input.score.value;
  for (const auto& [name, value] : input.sample.fields.items()) {
    if (name == "length" && !place.length) line["words"] = value;
    if (!line.contains(name) && name != "config") line[name] = value;
  }
  line["config"] = input.config;
  return dump(line);
}

Result<StoredLine> parse_result_line(std::string_view text) {
  RESTKV_RETURN_IF_ERROR(check_json_depth(text));
  StoredLine line;
  line.record = ordered_json::parse(text, nullptr, false);
  if (!line.record.is_object()) return Status::model("the line is no JSON object");
  for (const char* field : {"benchmark", "task", "sample", "variant"}) {
    const auto found = line.record.find(field);
    if (found == line.record.end() || !found->is_string()) return missing(field);
  }
  for (const char* field : {"number", "batch"}) {
    const auto found = line.record.find(field);
    if (found == line.record.end() || !found->is_number_integer()) return missing(field);
  }
  constexpr int64_t kMostNumber = int64_t{1} << 53;
  if (line.record["number"] < 0 || line.record["number"] > kMostNumber) return missing("number");
  if (!line.record.contains("config")) return missing("config");
  line.place = {.benchmark = line.record["benchmark"],
                .task = line.record["task"],
                .length = std::nullopt,
                .sample = line.record["sample"],
                .number = line.record["number"]};
  const auto length = line.record.find("length");
  if (length != line.record.end() && length->is_number_integer())
    line.place.length = length->get<int64_t>();
  line.variant = line.record["variant"];
  line.n_batch = line.record["batch"];
  return line;
}

std::string first_difference(const ordered_json& now, const ordered_json& before) {
  return difference_at("", now, before);
}

}  // namespace restkv
