// The needle tasks: sentences that give a key's value, hidden in essays, in filler lines or among
// sentences of their own kind.
#include <algorithm>
#include <array>

#include "core/check.h"
#include "tasks/draw.h"
#include "tasks/needle_draw.h"
#include "tasks/noise.h"
#include "tasks/ruler_forms.h"

namespace restkv {
namespace {

enum class Around { noise, essay, needles };

struct NeedleTask {
  std::string_view name;
  Around around;
  NeedleKind key, value;
  int n_key, n_value, n_query;  // values of each key; keys that are asked for
};

constexpr NeedleKind kWords = NeedleKind::words, kNumber = NeedleKind::number,
                     kUuid = NeedleKind::uuid;

constexpr std::array kTasks = {
    NeedleTask{"niah_single_1", Around::noise, kWords, kNumber, 1, 1, 1},
    NeedleTask{"niah_single_2", Around::essay, kWords, kNumber, 1, 1, 1},
    NeedleTask{"niah_single_3", Around::essay, kWords, kUuid, 1, 1, 1},
    NeedleTask{"niah_multikey_1", Around::essay, kWords, kNumber, 4, 1, 1},
    NeedleTask{"niah_multikey_2", Around::needles, kWords, kNumber, 1, 1, 1},
    NeedleTask{"niah_multikey_3", Around::needles, kUuid, kUuid, 1, 1, 1},
    NeedleTask{"niah_multivalue", Around::essay, kWords, kNumber, 1, 4, 1},
    NeedleTask{"niah_multiquery", Around::essay, kWords, kNumber, 4, 1, 4},
};

const NeedleTask* find_needle_task(std::string_view name) {
  const auto found =
      std::ranges::find_if(kTasks, [&](const NeedleTask& task) { return task.name == name; });
  return found == kTasks.end() ? nullptr : &*found;
}

void replace_each(std::string* text, std::string_view from, std::string_view to) {
  std::string replaced;
  size_t begin = 0;
  for (size_t at = text->find(from); at != std::string::npos; at = text->find(from, begin)) {
    replaced.append(*text, begin, at - begin).append(to);
    begin = at + from.size();
  }
  *text = replaced.append(*text, begin);
}

// RULER's way to ask for one value, on the template before it is filled.
void make_singular(std::string* text) {
  replace_each(text, "Some", "A");
  replace_each(text, "are all", "is");
  replace_each(text, "are", "is");
}

// "a", "a, and b", "a, b, and c".
std::string enumerate(const std::vector<std::string>& items) {
  if (items.size() == 1) return items[0];
  return join({items.begin(), items.end() - 1}, ", ") + ", and " + items.back();
}

// The templates as one sample of a task needs them.
struct Frame {
  PromptTemplate text;
  std::string needle, noise;
  std::string type;  // "numbers", in the frame "number" where one value is asked for
  bool singular = false;
};

class NeedleForm : public Form {
 public:
  NeedleForm(const NeedleTask& task, const Frame& frame, const RulerInputs& inputs, uint64_t seed)
      : task_(task),
        frame_(frame),
        tokens_(inputs.tokens),
        words_(inputs.words),
        haystack_(inputs.haystack),
        noise_(frame.noise),
        seed_(seed),
        length_(inputs.fit.limit),
        others_(NeedleDraw(0, nullptr), task.key, task.value) {
    NeedleDraw needles(derive_seed(seed, 0), words_.get());
    Draw order(derive_seed(seed, 1));
    draw_needles(needles, order);
    others_ = KeyValueRow(std::move(needles), task.key, task.value);
  }

  int64_t min_units() const override {
    const auto n = static_cast<int64_t>(needles_.size());
    return task_.around == Around::noise ? (n - 1) * noise_.n_sentence() + 1 : n;
  }
  int64_t max_units() const override { return length_; }  // every unit takes a token or more

  Draft build(int64_t n_unit) override {
    Draft draft;
    double depth = 0;
    const std::string context =
        task_.around == Around::essay ? essay(n_unit, &depth) : lines(n_unit, &depth);
    const std::string query = enumerate(queries_);
    const Places places = {{"type_needle_v", frame_type()}, {"context", context}, {"query", query}};
    draft.prompt = fill_places(frame_.text.prompt, places);
    draft.answer_prefix = fill_places(frame_.text.answer_prefix, places);
    draft.fields["outputs"] = answers_;
    if (needles_.size() == 1) draft.fields["depth"] = depth;
    for (const std::string& answer : answers_)
      draft.must_occur.push_back({answer, 1});
    const int64_t n_place = count_occurrences(frame_.text.prompt, "{query}") +
                            count_occurrences(frame_.text.answer_prefix, "{query}");
    for (const std::string& key : queries_)
      draft.must_occur.push_back({key, task_.n_value + n_place});
    return draft;
  }

  bool widen(int64_t n_unit, int64_t n_missing) override {
    if (task_.around != Around::needles) return false;
    return others_.widen(n_unit, n_missing, tokens_,
                         [this](const KeyValue& pair) { return needle(pair) + "\n"; });
  }

 private:
  void draw_needles(NeedleDraw& needles, Draw& order) {
    std::vector<std::string> keys;
    std::vector<std::vector<std::string>> values;
    for (int k = 0; k < task_.n_key; ++k) {
      keys.push_back(needles.next(task_.key));
      values.emplace_back();
      for (int v = 0; v < task_.n_value; ++v) {
        values.back().push_back(needles.next(task_.value));
        needles_.push_back(needle({keys.back(), values.back().back()}));
      }
    }
    order.shuffle(needles_);
    for (const int64_t asked : order.sample(task_.n_key, task_.n_query)) {
      const auto k = static_cast<size_t>(asked);
      queries_.push_back(keys[k]);
      answers_.insert(answers_.end(), values[k].begin(), values[k].end());
    }
  }

  std::string needle(const KeyValue& pair) const {
    return fill_places(frame_.needle,
                       {{"type_needle_v", frame_.type}, {"key", pair.key}, {"value", pair.value}});
  }
  std::string_view frame_type() const {
    return std::string_view(frame_.type).substr(0, frame_.type.size() - (frame_.singular ? 1 : 0));
  }

  std::string lines(int64_t n_unit, double* depth) {
    std::vector<std::string> around;
    if (task_.around == Around::noise) {
      around = noise_.lines(n_unit);
    } else {
      for (int64_t i = 0; i < n_unit; ++i)
        around.push_back(needle(others_.at(i)));
    }
    const auto n_line = static_cast<int64_t>(around.size());
    Draw draw(derive_seed(seed_, 2));
    std::vector<int64_t> places = draw.sample(n_line, static_cast<int64_t>(needles_.size()));
    std::ranges::sort(places);
    *depth = 100.0 * static_cast<double>(places[0]) / static_cast<double>(n_line);
    return join(with_lines(std::move(around), places, needles_), "\n");
  }

  // The first n words, with needles before sentences.
  std::string essay(int64_t n_word, double* depth) {
    std::vector<int64_t> starts = {0};  // of sentences, in words
    for (int64_t i = 1; i < n_word; ++i) {
      if (haystack_->ends_sentence(i - 1)) starts.push_back(i);
    }
    const auto n_sentence = static_cast<int64_t>(starts.size());
    starts.push_back(n_word);
    const std::vector<int64_t> depths = draw_depths();
    *depth = static_cast<double>(depths[0]);
    std::vector<std::string> parts;
    for (size_t k = 0, word = 0; k <= needles_.size(); ++k) {
      const bool last = k == needles_.size();
      const int64_t end = last ? n_word : starts[static_cast<size_t>(n_sentence * depths[k] / 100)];
      for (; static_cast<int64_t>(word) < end; ++word)
        parts.emplace_back(haystack_->word(static_cast<int64_t>(word)));
      if (!last) parts.push_back(needles_[k]);
    }
    return join(parts, " ");
  }

  // Percent, ascending; different ones of RULER's 40.
  std::vector<int64_t> draw_depths() const {
    constexpr int64_t kDepths = 40;
    Draw draw(derive_seed(seed_, 2));
    std::vector<int64_t> depths = draw.sample(kDepths, static_cast<int64_t>(needles_.size()));
    for (int64_t& depth : depths)
      depth = (200 * depth + kDepths - 1) / (2 * (kDepths - 1));  // 100 i / 39, rounded
    std::ranges::sort(depths);
    return depths;
  }

  const NeedleTask& task_;
  Frame frame_;
  TextTokens tokens_;
  std::shared_ptr<const WordLists> words_;
  std::shared_ptr<const Haystack> haystack_;
  Noise noise_;
  uint64_t seed_;
  int64_t length_;
  std::vector<std::string> needles_, queries_, answers_;
  KeyValueRow others_;  // the other needles, where they are the text around
};

}  // namespace

bool needs_haystack(std::string_view task) {
  const NeedleTask* const found = find_needle_task(task);
  return found != nullptr && found->around == Around::essay;
}

bool needs_words(std::string_view task) {
  const NeedleTask* const found = find_needle_task(task);
  return task == "cwe" || task == "json_words" || (found != nullptr && found->key == kWords);
}

Result<MakeForm> needle_forms(const RulerInputs& inputs) {
  const NeedleTask* const task = find_needle_task(inputs.task);
  RESTKV_CHECK(task != nullptr);
  Frame frame;
  RESTKV_ASSIGN_OR_RETURN(frame.text, inputs.prompts->find("niah"));
  frame.needle = inputs.prompts->text("needle");
  frame.noise = inputs.prompts->text("noise");
  frame.type = task->value == kUuid ? "uuids" : "numbers";
  frame.singular = task->n_query * task->n_value == 1;
  if (frame.singular) {
    make_singular(&frame.text.prompt);
    make_singular(&frame.text.answer_prefix);
  }
  return MakeForm([task, frame, inputs](int64_t, uint64_t seed) {
    return std::make_unique<NeedleForm>(*task, frame, inputs, seed);
  });
}

}  // namespace restkv
