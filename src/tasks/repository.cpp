#include "tasks/repository.h"

#include <array>
#include <numeric>
#include <string_view>

#include "core/check.h"
#include "tasks/draw.h"

namespace restkv {
namespace {

// No word begins or ends with another of its list, so that no name is part of another.
constexpr std::array<std::string_view, 40> kVerbs = {
    "adjust",  "assess",  "balance", "blend",  "carry",  "charge",  "clamp",  "combine",
    "convert", "count",   "damp",    "derive", "divide", "drain",   "extend", "filter",
    "gather",  "grade",   "join",    "level",  "limit",  "measure", "merge",  "offset",
    "pack",    "portion", "price",   "rank",   "rate",   "reduce",  "refill", "scale",
    "settle",  "shift",   "smooth",  "sort",   "split",  "tally",   "trim",   "weigh"};
constexpr std::array<std::string_view, 64> kNouns = {
    "anchor",  "apple",   "axle",   "barrel", "basket", "beacon",  "blanket", "bolt",
    "bridge",  "bucket",  "cabin",  "cable",  "candle", "canvas",  "cargo",   "carton",
    "cedar",   "chimney", "clover", "copper", "cotton", "crate",   "dam",     "engine",
    "ferry",   "fleet",   "flour",  "forge",  "fuel",   "garden",  "glass",   "grain",
    "harbour", "hedge",   "honey",  "island", "kettle", "ladder",  "lantern", "lumber",
    "magnet",  "meadow",  "mill",   "mortar", "needle", "orchard", "paddle",  "pallet",
    "pebble",  "pipe",    "quarry", "rail",   "ribbon", "river",   "saddle",  "salt",
    "signal",  "silver",  "spring", "timber", "tunnel", "velvet",  "wagon",   "willow"};
constexpr std::array<std::string_view, 16> kFolders = {
    "billing", "catalogue", "depot",   "dispatch", "freight", "insurance", "ledger",  "market",
    "office",  "planning",  "quality", "repairs",  "stock",   "tariffs",   "weather", "yard"};
// Not the nouns of functions: a file that is called like a function would be a wrong answer that
// looks right.
constexpr std::array<std::string_view, 40> kFiles = {
    "accounts", "audit",  "bounds", "checks",  "clauses", "codes",  "costs",   "curves",
    "dates",    "drafts", "errors", "fees",    "forms",   "goals",  "hours",   "inputs",
    "keys",     "labels", "limits", "margins", "notes",   "orders", "outputs", "pages",
    "parts",    "plans",  "quotas", "records", "routes",  "rules",  "samples", "shares",
    "slots",    "steps",  "tables", "tasks",   "terms",   "totals", "units",   "weights"};
constexpr std::array<std::string_view, 12> kParameters = {"amount", "base",  "days", "depth",
                                                          "height", "items", "load", "points",
                                                          "share",  "size",  "span", "width"};
constexpr int64_t kForms = 5;

std::string number(Draw* draw) {
  return std::to_string(draw->between(2, 97));
}

// a, b, c: parameters.
std::string draw_body(Draw* draw, const std::string& a, const std::string& b,
                      const std::string& c) {
  const std::string k = number(draw), m = number(draw);
  const std::string small = std::to_string(draw->between(3, 9));
  switch (draw->below(kForms)) {
    case 0:
      return "    return " + a + " * " + k + " + " + b + " - " + c + " * " + m + "\n";
    case 1:
      return "    total = " + a + " * " + k + " + " + b + "\n    if total > " + m +
             ":\n        total -= " + c + "\n    return total\n";
    case 2:
      return "    total = " + k + "\n    for step in range(" + a + " % " + small +
             "):\n        total += step * " + b + " - " + c + "\n    return total\n";
    case 3:
      return "    low = min(" + a + ", " + b + ") * " + k + "\n    high = max(" + a + ", " + b +
             ") + " + c + "\n    return high * " + m + " - low\n";
    default:
      return "    if " + a + " % " + small + " == 0:\n        return " + b + " * " + k + " - " + c +
             "\n    return " + a + " + " + b + " * " + m + " + " + c + "\n";
  }
}

std::vector<int64_t> permutation(int64_t n, uint64_t seed) {
  std::vector<int64_t> numbers(static_cast<size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  Draw(seed).shuffle(numbers);
  return numbers;
}

}  // namespace

std::string RepositoryFunction::signature() const {
  std::string list;
  for (const std::string& parameter : parameters)
    list += (list.empty() ? "" : ", ") + parameter;
  return name + "(" + list + ")";
}

std::string RepositoryFunction::code() const {
  return "def " + signature() + ":\n" + body;
}

Repository::Repository(uint64_t seed)
    : seed_(seed),
      names_(permutation(max_functions(), derive_seed(seed, 0))),
      modules_(permutation(kFolders.size() * kFiles.size(), derive_seed(seed, 1))) {}

int64_t Repository::max_functions() {
  return kVerbs.size() * kNouns.size();
}

std::string Repository::path(int64_t i) const {
  static_assert(kFolders.size() * kFiles.size() * kPerModule >= kVerbs.size() * kNouns.size());
  const auto module = static_cast<size_t>(modules_[static_cast<size_t>(i / kPerModule)]);
  return std::string(kFolders[module / kFiles.size()]) + "/" +
         std::string(kFiles[module % kFiles.size()]) + ".py";
}

RepositoryFunction Repository::function(int64_t i) const {
  RESTKV_CHECK(i >= 0 && i < max_functions());
  const auto name = static_cast<size_t>(names_[static_cast<size_t>(i)]);
  Draw draw(derive_seed(derive_seed(seed_, 2), static_cast<uint64_t>(i)));
  RepositoryFunction function;
  function.name =
      std::string(kVerbs[name / kNouns.size()]) + "_" + std::string(kNouns[name % kNouns.size()]);
  for (const int64_t p : draw.sample(kParameters.size(), 3))
    function.parameters.emplace_back(kParameters[static_cast<size_t>(p)]);
  const auto& p = function.parameters;
  function.body = draw_body(&draw, p[0], p[1], p[2]);
  function.parameters.back() += "=" + number(&draw);
  return function;
}

std::string Repository::text(int64_t n) const {
  std::string text;
  for (int64_t i = 0; i < n; ++i) {
    if (i % kPerModule == 0) text += (i == 0 ? "# File: " : "\n\n# File: ") + path(i) + "\n";
    text += "\n\n" + function(i).code();
  }
  return text;
}

}  // namespace restkv
