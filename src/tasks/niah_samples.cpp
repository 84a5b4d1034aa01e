#include "tasks/niah_samples.h"

#include <algorithm>
#include <set>

#include "core/check.h"
#include "tasks/draw.h"
#include "tasks/form.h"

namespace restkv {
namespace {

constexpr int64_t kReserve = 200;    // tokens of a length that the frame and the answer get
constexpr int64_t kBytesAToken = 6;  // more than a token of prose has, mostly
constexpr int64_t kFirstLength = 1000, kLastLength = 32000, kLengthStep = 200;
constexpr int64_t kDepths = 10;
constexpr int64_t kLargestLength = 100'000'000;
constexpr int kMaxTries = 50;

struct Cell {
  int64_t length = 0;
  int depth = 0;
  int64_t repeat = 0;
};

// The last character of a text that may have been cut within it.
void drop_cut_character(std::string* text) {
  while (!text->empty() && (text->back() & 0xc0) == 0x80)
    text->pop_back();
  if (!text->empty() && (text->back() & 0x80) != 0) text->pop_back();
}

class NiahGrid : public SampleSource {
 public:
  static Result<std::unique_ptr<SampleSource>> create(const NiahSamples& options);

  int64_t size() const override {
    return static_cast<int64_t>(lengths_.size() * depths_.size()) * n_repeat_;
  }

  Result<Sample> sample(int64_t i) const override {
    RESTKV_CHECK(i >= 0 && i < size());
    const auto n_depth = static_cast<int64_t>(depths_.size());
    const Cell cell{lengths_[static_cast<size_t>(i / n_repeat_ / n_depth)],
                    depths_[static_cast<size_t>(i / n_repeat_ % n_depth)], i % n_repeat_};
    RESTKV_ASSIGN_OR_RETURN(const std::string context, context_of(cell));
    Sample sample;
    sample.id = std::to_string(cell.length) + "-" + std::to_string(cell.depth) + "-" +
                std::to_string(cell.repeat);
    const Places places = {{"context", context}, {"question", question_}};
    sample.prompt = fill_places(frame_.prompt, places);
    sample.answer_prefix = fill_places(frame_.answer_prefix, places);
    sample.n_new = kNiahNewTokens;
    sample.stop_at_newline = true;
    RESTKV_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                            tokens_.encode(sample.prompt + sample.answer_prefix, true));
    sample.fields = {{"needle", needle_},     {"expected_answer", expected_},
                     {"length", cell.length}, {"depth", cell.depth},
                     {"repeat", cell.repeat}, {"n_token", ids.size()}};
    return sample;
  }

 private:
  // The words from a sentence's beginning, as text with its own white space: repeat 0 has all.
  int64_t first_word(int64_t repeat) const {
    if (repeat == 0) return 0;
    Draw draw(derive_seed(seed_, static_cast<uint64_t>(repeat)));
    for (int i = 0; i < kMaxTries; ++i) {
      const int64_t word = draw.below(haystack_->n_word());
      if (word > 0 && haystack_->ends_sentence(word - 1)) return word;
    }
    return draw.below(haystack_->n_word());
  }

  // Null: those that are built in.
  Status set_prompts(const Prompts* given);
  // At least n tokens, of the text from its start word on, repeated where it is too short.
  Result<std::vector<int32_t>> haystack_tokens(int64_t n, int64_t start) const;
  Result<std::string> context_of(const Cell& cell) const;
  bool is_full_stop(int32_t token) const {
    return std::ranges::find(full_stops_, token) != full_stops_.end();
  }

  std::vector<int64_t> lengths_;
  std::vector<int> depths_;
  int64_t n_repeat_ = 1;
  uint64_t seed_ = 0;
  TextTokens tokens_;
  std::shared_ptr<const Haystack> haystack_;
  PromptTemplate frame_;
  std::string needle_, question_, expected_;
  std::vector<int32_t> needle_tokens_, full_stops_;
};

Result<std::vector<int32_t>> NiahGrid::haystack_tokens(int64_t n, int64_t start) const {
  const std::string& text = haystack_->text();
  const auto begin = static_cast<size_t>(haystack_->word(start).data() - text.data());
  const std::string_view rest = std::string_view(text).substr(start == 0 ? 0 : begin);
  std::string piece;
  // What is encoded is as long as it must be: a haystack may be far longer.
  for (size_t n_byte = static_cast<size_t>(n * kBytesAToken);; n_byte *= 2) {
    piece = rest.substr(0, n_byte);
    while (piece.size() < n_byte)
      piece.append(text, 0, n_byte - piece.size());
    drop_cut_character(&piece);
    RESTKV_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokens_.encode(piece, false));
    if (static_cast<int64_t>(ids.size()) > n) return ids;
  }
}

Result<std::string> NiahGrid::context_of(const Cell& cell) const {
  const int64_t n = cell.length - kReserve - static_cast<int64_t>(needle_tokens_.size());
  RESTKV_ASSIGN_OR_RETURN(std::vector<int32_t> ids, haystack_tokens(n, first_word(cell.repeat)));
  ids.resize(static_cast<size_t>(n));
  // Behind the nearest full stop before the depth; the very end is the very end.
  int64_t at = cell.depth == 100 ? n : n * cell.depth / 100;
  while (cell.depth < 100 && at > 0 && !is_full_stop(ids[static_cast<size_t>(at) - 1]))
    --at;
  ids.insert(ids.begin() + at, needle_tokens_.begin(), needle_tokens_.end());
  return tokens_.decode(ids);
}

template <typename T>
Status check_axis(const std::vector<T>& values, int64_t low, int64_t high,
                  const std::string& what) {
  std::set<T> seen;
  for (const T value : values) {
    if (value < low || value > high) {
      return Status::usage(what + " is " + std::to_string(value) + ", it must be in " +
                           std::to_string(low) + " .. " + std::to_string(high));
    }
    if (!seen.insert(value).second)
      return Status::usage(what + " is given twice: " + std::to_string(value));
  }
  return {};
}

// The tokens of a full stop behind a letter and behind a space.
Result<std::vector<int32_t>> find_full_stops(const TextTokens& tokens) {
  std::vector<int32_t> found;
  for (const char* const text : {".", " .", "a.", "end."}) {
    RESTKV_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokens.encode(text, false));
    if (!ids.empty() && tokens.decode({&ids.back(), 1}).ends_with('.')) found.push_back(ids.back());
  }
  return found;
}

Status NiahGrid::set_prompts(const Prompts* given) {
  const Prompts prompts = given != nullptr ? *given : Prompts::built_in(PromptSet::niah);
  RESTKV_ASSIGN_OR_RETURN(frame_, prompts.find("niah"));
  needle_ = prompts.text("needle");
  question_ = prompts.text("question");
  expected_ = prompts.text("expected_answer");
  RESTKV_ASSIGN_OR_RETURN(needle_tokens_, tokens_.encode(needle_, false));
  RESTKV_ASSIGN_OR_RETURN(full_stops_, find_full_stops(tokens_));
  return {};
}

Result<std::unique_ptr<SampleSource>> NiahGrid::create(const NiahSamples& options) {
  if (!options.tokens.encode || !options.tokens.decode)
    return Status::usage("samples are generated, which needs a tokenizer");
  auto grid = std::make_unique<NiahGrid>();
  grid->lengths_ = options.lengths.empty() ? niah_reference_lengths() : options.lengths;
  grid->depths_ = options.depths.empty() ? niah_reference_depths() : options.depths;
  grid->n_repeat_ = options.n_repeat;
  grid->seed_ = derive_seed(options.seed, name_key("niah"));
  grid->tokens_ = options.tokens;
  if (options.n_repeat < 1) {
    return Status::usage("the samples of a cell are " + std::to_string(options.n_repeat) +
                         ", they must be 1 or more");
  }
  RESTKV_RETURN_IF_ERROR(grid->set_prompts(options.prompts.get()));
  const int64_t least = kReserve + static_cast<int64_t>(grid->needle_tokens_.size()) + 1;
  RESTKV_RETURN_IF_ERROR(check_axis(grid->lengths_, least, kLargestLength, "a length"));
  RESTKV_RETURN_IF_ERROR(check_axis(grid->depths_, 0, 100, "a depth"));
  grid->haystack_ = options.haystack;
  if (grid->haystack_ == nullptr) {
    RESTKV_ASSIGN_OR_RETURN(Haystack haystack, Haystack::load(""));
    grid->haystack_ = std::make_shared<const Haystack>(std::move(haystack));
  }
  if (grid->haystack_->text().find(grid->expected_) != std::string::npos)
    return Status::model("the haystack " + grid->haystack_->source() + " contains the answer");
  return std::unique_ptr<SampleSource>(std::move(grid));
}

}  // namespace

std::vector<int64_t> niah_reference_lengths() {
  std::vector<int64_t> lengths;
  for (int64_t length = kFirstLength; length <= kLastLength; length += kLengthStep)
    lengths.push_back(length);
  return lengths;
}

std::vector<int> niah_reference_depths() {
  std::vector<int> depths;
  for (int64_t i = 0; i < kDepths; ++i)
    depths.push_back(static_cast<int>((200 * i + kDepths - 1) / (2 * (kDepths - 1))));
  return depths;
}

Result<std::unique_ptr<SampleSource>> niah_samples(const NiahSamples& options) {
  return NiahGrid::create(options);
}

}  // namespace restkv
