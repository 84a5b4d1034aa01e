#include "engine/answer.h"

#include <algorithm>
#include <optional>

namespace restkv {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Text that may still turn into a stop string, or into the rest of a UTF-8 character, is held back.
class TextStream {
 public:
  TextStream(const std::vector<std::string>& stop,
             const std::function<void(std::string_view)>& on_text)
      : stop_(stop), on_text_(on_text) {}

  // True when a stop string is complete; text() then ends before it.
  bool append(const std::string& piece) {
    text_ += piece;
    size_t end = std::string::npos;
    for (const std::string& s : stop_) {
      // A stop string may begin in what was held back.
      end = std::min(end, text_.find(s, released_));
    }
    if (end != std::string::npos) {
      text_.resize(end);
      flush(end);
      return true;
    }
    flush(text_.size() - held_back());
    return false;
  }

  void finish() { flush(text_.size()); }
  const std::string& text() const { return text_; }

 private:
  size_t held_back() const {
    size_t held = incomplete_utf8();
    for (const std::string& s : stop_) {
      for (size_t n = std::min(s.size() - 1, text_.size() - released_); n > held; --n) {
        if (text_.compare(text_.size() - n, n, s, 0, n) == 0) {
          held = n;
          break;
        }
      }
    }
    return held;
  }

  size_t incomplete_utf8() const {
    for (size_t n = 1; n <= std::min<size_t>(3, text_.size() - released_); ++n) {
      const auto c = static_cast<unsigned char>(text_[text_.size() - n]);
      if (c >= 0xC0) return (c >= 0xF0 ? 4u : c >= 0xE0 ? 3u : 2u) > n ? n : 0;
      if (c < 0x80) return 0;
    }
    return 0;
  }

  void flush(size_t end) {
    if (end <= released_) return;
    if (on_text_) on_text_(std::string_view(text_).substr(released_, end - released_));
    released_ = end;
  }

  const std::vector<std::string>& stop_;
  const std::function<void(std::string_view)>& on_text_;
  std::string text_;
  size_t released_ = 0;
};

std::vector<int32_t> end_tokens(const Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < tokenizer.n_vocab(); ++id) {
    if (tokenizer.is_end(id)) ids.push_back(id);
  }
  return ids;
}

int64_t token_limit(const AnswerOptions& options, int64_t n_read) {
  int64_t limit = options.n_predict < 0 ? INT32_MAX - n_read : options.n_predict;
  if (options.n_ctx > 0) limit = std::min(limit, options.n_ctx - n_read);
  return limit;
}

class Answer {
 public:
  Answer(const Model& model, const Compute& compute, const AnswerOptions& options, Session* session,
         Sampler* sampler)
      : model_(model),
        compute_(compute),
        options_(options),
        session_(session),
        sampler_(sampler),
        stream_(options.stop, options.on_text) {
    if (options.ignore_eos) banned_ = end_tokens(model.tokenizer());
  }

  Result<AnswerResult> run(Clock::time_point start) {
    const int64_t limit = token_limit(options_, session_->n_token());
    for (int64_t i = 0; i < limit && result_.finish_reason.empty(); ++i) {
      if (i > 0) RESTKV_RETURN_IF_ERROR(step());
      result_.finish_reason = compute_.cancelled() ? "interrupted" : take_token(session_->logits());
      if (i == 0) result_.first_token_ms = ms_since(start);
    }
    if (result_.finish_reason.empty()) result_.finish_reason = "length";
    stream_.finish();
    result_.text = stream_.text();
    return std::move(result_);
  }

 private:
  Status step() {
    const Clock::time_point start = Clock::now();
    const Status status = session_->decode(result_.tokens.back());
    if (!status.ok()) return compute_.cancelled() ? Status() : status;
    const double ms = ms_since(start);
    if (result_.decode_steps % 1000 == 0) result_.decode_ms_by_1000.push_back(0.0);
    result_.decode_ms_by_1000.back() += ms;
    result_.decode_ms += ms;
    ++result_.decode_steps;
    return {};
  }

  // Why the answer ends with the token that these logits yield; empty: it goes on.
  const char* take_token(std::span<const float> logits) {
    const std::optional<int32_t> token = sampler_->sample(logits, banned_);
    if (!token) return "stop";
    sampler_->accept(*token);
    if (model_.tokenizer().is_end(*token)) return "stop";
    result_.tokens.push_back(*token);
    return stream_.append(model_.tokenizer().piece(*token)) ? "stop" : "";
  }

  const Model& model_;
  const Compute& compute_;
  const AnswerOptions& options_;
  Session* session_;
  Sampler* sampler_;
  AnswerResult result_;
  TextStream stream_;
  std::vector<int32_t> banned_;
};

}  // namespace

Result<AnswerResult> answer(const Model& model, const Compute& compute,
                            const AnswerOptions& options, Session* session, Sampler* sampler,
                            Clock::time_point start) {
  return Answer(model, compute, options, session, sampler).run(start);
}

}  // namespace restkv
