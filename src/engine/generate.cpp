#include "engine/generate.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "engine/sampler.h"
#include "engine/session.h"

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

void report_cache(const Model& model, const Session& session, GenerateResult* result) {
  const HParams& hp = model.hparams();
  result->kv_bytes = session.cache().used_bytes();
  result->kv_full_bytes = size_t{2} * element_size(ElementType::f16) * result->prompt_tokens *
                          hp.n_layer * hp.n_head_kv * hp.head_dim;
  result->entries_per_layer = session.cache().entries_per_layer();
  result->kv_entries = session.cache().n_entry();
  result->kv_over_budget = session.over_budget();
}

int64_t token_limit(const GenerateRequest& request) {
  const int64_t n_prompt = static_cast<int64_t>(request.prompt.size());
  int64_t limit = request.n_predict < 0 ? INT32_MAX - n_prompt : request.n_predict;
  if (request.n_ctx > 0) limit = std::min(limit, request.n_ctx - n_prompt);
  return limit;
}

// The decode loop: one answer after a prompt that has been read.
class Answer {
 public:
  Answer(const Model& model, Compute& compute, const GenerateRequest& request, Session* session,
         Sampler* sampler, GenerateResult* result)
      : model_(model),
        compute_(compute),
        request_(request),
        session_(session),
        sampler_(sampler),
        result_(result),
        stream_(request.stop, request.on_text) {
    if (request.ignore_eos) banned_ = end_tokens(model.tokenizer());
  }

  Status run(Clock::time_point start) {
    const int64_t limit = token_limit(request_);
    Clock::time_point first = Clock::now();
    for (int64_t i = 0; i < limit && result_->finish_reason.empty(); ++i) {
      if (i > 0) {
        const Status status = session_->decode(result_->tokens.back());
        if (!status.ok() && !compute_.cancelled()) return status;
        ++result_->decode_steps;
      }
      result_->finish_reason = compute_.cancelled() ? "interrupted" : take_token(session_->logits());
      if (i == 0) {
        result_->first_token_ms = ms_since(start);
        first = Clock::now();
      }
    }
    if (result_->finish_reason.empty()) result_->finish_reason = "length";
    stream_.finish();
    result_->decode_ms = ms_since(first);
    result_->text = stream_.text();
    return {};
  }

 private:
  // Why the answer ends with the token that these logits yield; empty: it goes on.
  const char* take_token(std::span<const float> logits) {
    const std::optional<int32_t> token = sampler_->sample(logits, banned_);
    if (!token) return "stop";
    sampler_->accept(*token);
    if (model_.tokenizer().is_end(*token)) return "stop";
    result_->tokens.push_back(*token);
    return stream_.append(model_.tokenizer().piece(*token)) ? "stop" : "";
  }

  const Model& model_;
  Compute& compute_;
  const GenerateRequest& request_;
  Session* session_;
  Sampler* sampler_;
  GenerateResult* result_;
  TextStream stream_;
  std::vector<int32_t> banned_;
};

}  // namespace

Status check_request(const GenerateRequest& request) {
  const int64_t n_prompt = static_cast<int64_t>(request.prompt.size());
  if (n_prompt == 0) return Status::usage("the prompt is empty, it must have at least one token");
  if (request.n_ctx > 0 && n_prompt > request.n_ctx) {
    return Status::capacity("the prompt has " + std::to_string(n_prompt) +
                            " tokens, the context (-c) holds " + std::to_string(request.n_ctx));
  }
  if (n_prompt > INT32_MAX / 2) {
    return Status::capacity("the prompt has " + std::to_string(n_prompt) + " tokens, at most " +
                            std::to_string(INT32_MAX / 2) + " are possible");
  }
  return {};
}

Result<GenerateResult> generate(const Model& model, Compute& compute,
                                const GenerateRequest& request) {
  RESTKV_RETURN_IF_ERROR(check_request(request));
  RESTKV_ASSIGN_OR_RETURN(auto sampler, Sampler::create(request.sampling, model.tokenizer()));
  RESTKV_ASSIGN_OR_RETURN(const auto session, Session::create(model, compute, request.cache));

  GenerateResult result;
  result.prompt_tokens = static_cast<int64_t>(request.prompt.size());
  const auto start = Clock::now();
  RESTKV_RETURN_IF_ERROR(
      session->read({.tokens = request.prompt, .on_progress = request.on_progress}));
  result.prefill_ms = session->read_ms();
  result.eviction_ms = session->eviction_ms();
  report_cache(model, *session, &result);

  sampler->accept_prompt(request.prompt);
  RESTKV_RETURN_IF_ERROR(
      Answer(model, compute, request, session.get(), sampler.get(), &result).run(start));
  result.decode_eviction_ms = session->eviction_ms() - result.eviction_ms;
  result.kv_peak_bytes = session->meter().peak_bytes();
  return result;
}

}  // namespace restkv
