#include "scores/ruler.h"

#include <algorithm>
#include <array>

#include "core/check.h"
#include "scores/find_task.h"
#include "scores/rounding.h"
#include "scores/text.h"

namespace restkv {
namespace {

constexpr std::array kTasks = {
    RulerTask{"niah_single_1", "retrieval", StringMatch::all, 128, true},
    RulerTask{"niah_single_2", "retrieval", StringMatch::all, 128, true},
    RulerTask{"niah_single_3", "retrieval", StringMatch::all, 128, true},
    RulerTask{"niah_multikey_1", "retrieval", StringMatch::all, 128, true},
    RulerTask{"niah_multikey_2", "retrieval", StringMatch::all, 128, true},
    RulerTask{"niah_multikey_3", "retrieval", StringMatch::all, 128, true},
    RulerTask{"niah_multivalue", "retrieval", StringMatch::all, 128, true},
    RulerTask{"niah_multiquery", "retrieval", StringMatch::all, 128, true},
    RulerTask{"vt", "multi-hop tracing", StringMatch::all, 30, true},
    RulerTask{"cwe", "aggregation", StringMatch::all, 120, true},
    RulerTask{"fwe", "aggregation", StringMatch::all, 50, true},
    RulerTask{"qa_1", "question answering", StringMatch::part, 32, false},
    RulerTask{"qa_2", "question answering", StringMatch::part, 32, false},
};

Text cleaned(std::string_view prediction) {
  const Text text = decode_utf8(prediction);
  Text printable(strip(text));
  std::ranges::replace_if(
      printable, [](char32_t c) { return c < U' '; }, U'\n');
  return Text(strip(printable));
}

Score sample_score(StringMatch match, TextView prediction,
                   std::span<const std::string> references) {
  if (references.empty())
    return Score::raises(match == StringMatch::all ? "ZeroDivisionError" : "ValueError");
  const Text text = lower(prediction);
  const auto n_found = std::ranges::count_if(references, [&](const std::string& reference) {
    return text.find(lower(decode_utf8(reference))) != Text::npos;
  });
  if (match == StringMatch::part) return n_found > 0 ? 1 : 0;
  return static_cast<double>(n_found) / static_cast<double>(references.size());
}

}  // namespace

std::span<const RulerTask> ruler_tasks() {
  return kTasks;
}

Result<const RulerTask*> find_ruler_task(std::string_view name) {
  return find_task(ruler_tasks(), name, "RULER");
}

std::string ruler_clean(std::string_view prediction) {
  return encode_utf8(cleaned(prediction));
}

Score ruler_sample(StringMatch match, std::string_view prediction,
                   std::span<const std::string> references, bool clean) {
  const Text text = clean ? cleaned(prediction) : decode_utf8(prediction);
  return sample_score(match, text, references);
}

Score ruler_score(StringMatch match, std::span<const std::string> predictions,
                  std::span<const std::vector<std::string>> references, bool clean) {
  RESTKV_CHECK(predictions.size() == references.size());
  if (predictions.empty()) return Score::raises("ZeroDivisionError");
  std::vector<double> scores;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const Score score = ruler_sample(match, predictions[i], references[i], clean);
    if (!score.ok()) return score;
    scores.push_back(score.value);
  }
  return round2(mean(scores) * 100);
}

}  // namespace restkv
