#include "tasks/text_samples.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "scores/text.h"

namespace restkv {
namespace {

using Tokens = std::vector<int32_t>;

// A cut may go through a character.
std::string text_of(const TextTokens& tokens, std::span<const int32_t> ids) {
  return encode_utf8(decode_utf8(tokens.decode(ids)));
}

class PieceSource : public SampleSource {
 public:
  PieceSource(const TextPieces& options, Tokens ids) : options_(options), ids_(std::move(ids)) {}

  int64_t size() const override { return options_.n; }

  Result<Sample> sample(int64_t i) const override {
    const int64_t n_piece = options_.n_prompt + options_.n_score;
    const int64_t n_free = static_cast<int64_t>(ids_.size()) - n_piece;
    const int64_t first = options_.n > 1 ? n_free * i / (options_.n - 1) : 0;
    const auto piece = std::span(ids_).subspan(first, n_piece);
    Sample sample;
    sample.id = std::to_string(i);
    sample.n_new = static_cast<int>(options_.n_score);
    sample.chat_wrap = false;
    sample.prompt = text_of(options_.tokens, piece.first(options_.n_prompt));
    sample.fields["first_token"] = first;
    sample.fields["target"] = text_of(options_.tokens, piece.last(options_.n_score));
    return sample;
  }

 private:
  TextPieces options_;
  Tokens ids_;
};

class PaddedSource : public SampleSource {
 public:
  PaddedSource(std::unique_ptr<SampleSource> source, Tokens ids, int64_t n_token,
               const TextTokens& tokens)
      : source_(std::move(source)), ids_(std::move(ids)), n_token_(n_token), tokens_(tokens) {}

  int64_t size() const override { return source_->size(); }
  int64_t n_skipped() const override { return source_->n_skipped(); }

  Result<Sample> sample(int64_t i) const override {
    RESTKV_ASSIGN_OR_RETURN(Sample sample, source_->sample(i));
    const auto n = static_cast<int64_t>(ids_.size());
    Tokens front;
    for (int64_t t = i * n_token_; t < (i + 1) * n_token_; ++t)
      front.push_back(ids_[t % n]);
    sample.prompt = text_of(tokens_, front) + "\n\n" + sample.prompt;
    return sample;
  }

 private:
  std::unique_ptr<SampleSource> source_;
  Tokens ids_;
  int64_t n_token_;
  TextTokens tokens_;
};

}  // namespace

Result<std::unique_ptr<SampleSource>> text_pieces(const TextPieces& options) {
  for (const auto& [name, value] : {std::pair("pieces", options.n),
                                    {"tokens of a prompt", options.n_prompt},
                                    {"tokens to score", options.n_score}}) {
    if (value < 1) {
      return Status::usage(std::string("the number of ") + name + " is " + std::to_string(value) +
                           ", it must be at least 1");
    }
  }
  RESTKV_ASSIGN_OR_RETURN(Tokens ids, options.tokens.encode(options.text, false));
  const int64_t n_piece = options.n_prompt + options.n_score;
  if (static_cast<int64_t>(ids.size()) < n_piece) {
    return Status::model("the text has " + std::to_string(ids.size()) + " tokens, a piece has " +
                         std::to_string(n_piece));
  }
  return std::unique_ptr<SampleSource>(std::make_unique<PieceSource>(options, std::move(ids)));
}

Result<std::unique_ptr<SampleSource>> padded(std::unique_ptr<SampleSource> source,
                                             const std::string& text, int64_t n_token,
                                             const TextTokens& tokens) {
  if (n_token < 0) {
    return Status::usage("the number of tokens in front is " + std::to_string(n_token) +
                         ", it must be at least 0");
  }
  if (n_token == 0) return source;
  RESTKV_ASSIGN_OR_RETURN(Tokens ids, tokens.encode(text, false));
  if (ids.empty()) return Status::model("the text to put in front is empty");
  return std::unique_ptr<SampleSource>(
      std::make_unique<PaddedSource>(std::move(source), std::move(ids), n_token, tokens));
}

}  // namespace restkv
