#include "cli/chat.h"

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>

#include "cli/answer_flags.h"
#include "cli/flags.h"
#include "cli/kv_flags.h"
#include "cli/prefill_flags.h"
#include "cli/runtime.h"
#include "engine/session.h"

namespace restkv::cli {
namespace {

struct ChatFlags {
  ModelFlags model;
  KvFlags kv;
  PrefillFlags prefill;
  AnswerFlags answer;
  std::string file, system;
  bool json = false;
};

// One line of standard input a turn. A conversation is what the session holds and the messages
// behind it.
class Chat {
 public:
  // config, attention: what the flags come to.
  Chat(const ChatFlags& flags, CacheConfig config, const PrefillAttention& attention,
       std::string document, const Model& model, Compute& compute)
      : flags_(flags),
        config_(std::move(config)),
        attention_(attention),
        model_(model),
        compute_(compute),
        asks_(isatty(STDIN_FILENO) != 0),
        document_(std::move(document)) {}

  Result<int> run() {
    RESTKV_RETURN_IF_ERROR(read_answer_flags(flags_.answer, &options_, &sampling_));
    RESTKV_RETURN_IF_ERROR(fit_budget(flags_.kv, model_.hparams(), &config_));
    if (!config_.schedule) config_.schedule = default_schedule();
    RESTKV_RETURN_IF_ERROR(Sampler::create(sampling_, model_.tokenizer()).status());
    if (!flags_.system.empty()) messages_.push_back({"system", flags_.system});
    if (!flags_.json) {
      options_.on_text = [&](std::string_view piece) { std::cout << piece << std::flush; };
    }
    for (std::string line; next_line(&line);) {
      if (line.empty()) continue;
      RESTKV_ASSIGN_OR_RETURN(const bool goes_on, turn(line));
      if (!goes_on) return 130;
    }
    return 0;
  }

 private:
  // A policy that counts decoded tokens by nature keeps doing so; any other is cut at every turn.
  Schedule default_schedule() const {
    const auto plan = CachePlan::make(config_);
    const Schedule own = (*plan)->schedule;
    return own.kind == Schedule::Kind::prompt ? Schedule{.kind = Schedule::Kind::turn} : own;
  }

  bool next_line(std::string* line) const {
    if (asks_) std::cerr << "> " << std::flush;
    return static_cast<bool>(std::getline(std::cin, *line)) && *line != "/exit";
  }

  // False when it was interrupted while reading, which leaves nothing to go on from.
  Result<bool> turn(const std::string& line) {
    if (!is_valid_utf8(line)) return Status::model("a line of standard input is not valid UTF-8");
    begin_interruptible();
    const auto start = std::chrono::steady_clock::now();
    RESTKV_ASSIGN_OR_RETURN(const std::vector<int32_t> more, turn_tokens(line));
    std::vector<int32_t> ids = std::move(unread_);
    ids.insert(ids.end(), more.begin(), more.end());
    RESTKV_RETURN_IF_ERROR(check_length(static_cast<int64_t>(ids.size())));
    ProgressLine progress;
    const Status read =
        session_->read({.tokens = ids,
                        .on_progress = [&](const PrefillProgress& p) { progress.prefill(p); },
                        .attention = attention_});
    progress.clear();
    if (!read.ok()) {
      if (!compute_.cancelled()) return read;
      warn("interrupted while reading");
      return false;
    }
    // A grammar describes one answer.
    RESTKV_ASSIGN_OR_RETURN(const auto sampler, Sampler::create(sampling_, model_.tokenizer()));
    sampler->accept_prompt(ids);
    nlohmann::ordered_json kv = describe(flags_.kv, config_);
    kv.update({{"entries", session_->cache().n_entry()},
               {"over_budget", session_->over_budget()},
               {"bytes", session_->cache().used_bytes()}});
    RESTKV_ASSIGN_OR_RETURN(
        const AnswerResult result,
        answer(model_, compute_, options_, session_.get(), sampler.get(), start));
    messages_.push_back({"assistant", result.text});
    unread_.assign(result.tokens.begin() + result.decode_steps, result.tokens.end());
    end_interruptible();
    print(result, ids.size(), std::move(kv));
    RESTKV_RETURN_IF_ERROR(flush_output());
    return true;
  }

  Status check_length(int64_t n_new) {
    const int64_t n_token = session_->n_token() + n_new;
    if (options_.n_ctx > 0 && n_token > options_.n_ctx) {
      return Status::capacity("the conversation has " + std::to_string(n_token) +
                              " tokens, the context (-c) holds " + std::to_string(options_.n_ctx));
    }
    if (!warned_ && n_token > model_.hparams().n_ctx_train) {
      warn_beyond_training("conversation", n_token, model_.hparams());
      warned_ = true;
    }
    return {};
  }

  // The tokens of a user's message; the first one makes the session.
  Result<std::vector<int32_t>> turn_tokens(const std::string& line) {
    const std::string text = document_.empty() ? line : document_ + "\n\n" + line;
    document_.clear();
    const bool first = session_ == nullptr;
    const size_t n_known = messages_.size();
    messages_.push_back({"user", text});
    const Tokenizer& tokenizer = model_.tokenizer();
    RESTKV_ASSIGN_OR_RETURN(
        std::vector<int32_t> ids,
        first ? tokenizer.tokenize_chat(messages_) : tokenizer.tokenize_turn(messages_, n_known));
    if (!first) return ids;
    if (pins_system(flags_.kv)) {
      RESTKV_ASSIGN_OR_RETURN(const int64_t n, tokenizer.count_system_tokens(messages_, ids));
      RESTKV_RETURN_IF_ERROR(pin_system(n, &config_));
    }
    RESTKV_ASSIGN_OR_RETURN(session_, Session::create(model_, compute_, config_));
    return ids;
  }

  // kv: the cache before the answer.
  void print(const AnswerResult& result, size_t n_read, nlohmann::ordered_json kv) const {
    if (!flags_.json) {
      std::cout << std::endl;
      return;
    }
    kv["peak_bytes"] = session_->meter().peak_bytes();
    const nlohmann::ordered_json document{
        {"text", result.text},
        {"prompt_tokens", n_read},
        {"completion_tokens", result.tokens.size()},
        {"finish_reason", result.finish_reason},
        {"tokens_so_far", session_->n_token()},
        {"kv", kv},
        {"prefill_attention", describe(attention_, session_->attention_blocks())},
        {"timings_ms",
         {{"prefill", session_->read_ms()},
          {"first_token", result.first_token_ms},
          {"decode", result.decode_ms}}}};
    std::cout << document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
              << std::endl;
  }

  const ChatFlags& flags_;
  CacheConfig config_;
  const PrefillAttention attention_;
  const Model& model_;
  Compute& compute_;
  const bool asks_;
  AnswerOptions options_;
  SamplingOptions sampling_;
  std::unique_ptr<Session> session_;
  std::string document_;
  std::vector<ChatMessage> messages_;
  std::vector<int32_t> unread_;  // of the last answer, drawn but not in the cache yet
  bool warned_ = false;          // of the trained context
};

Result<std::string> read_document(const std::string& path) {
  if (path.empty()) return std::string();
  if (path == "-") return Status::usage("--file is -, standard input holds the conversation");
  RESTKV_ASSIGN_OR_RETURN(std::string text, read_text(path));
  if (text.empty()) return Status::usage(path + " is empty, there is nothing to talk about");
  return text;
}

Result<int> run(const ChatFlags& f) {
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.model));
  RESTKV_ASSIGN_OR_RETURN(CacheConfig config, cache_config(f.kv));
  RESTKV_ASSIGN_OR_RETURN(const PrefillAttention attention,
                          prefill_attention(f.prefill, engine.kernels));
  if (!is_valid_utf8(f.system)) return Status::usage("--system is not valid UTF-8");
  RESTKV_ASSIGN_OR_RETURN(std::string document, read_document(f.file));
  ProgressLine progress;
  RESTKV_ASSIGN_OR_RETURN(
      const std::shared_ptr<const Model> model,
      Model::load(
          model_path(f.model),
          [&](const char* stage) { progress.show("loading: " + std::string(stage)); },
          engine.kernels));
  progress.clear();
  if (!model->tokenizer().has_chat_template()) {
    return Status::model(model->path() + " has no chat template; restkv generate --raw needs none");
  }
  RESTKV_ASSIGN_OR_RETURN(const auto compute,
                          Compute::create(engine.n_threads, begin_interruptible(), engine.kernels));
  end_interruptible();
  return Chat(f, std::move(config), attention, std::move(document), *model, *compute).run();
}

}  // namespace

void register_chat(CLI::App& app, int* exit_code) {
  CLI::App* command = app.add_subcommand("chat", "a conversation inside a fixed KV budget");
  auto flags = std::make_shared<ChatFlags>();
  add_model_flags(*command, flags->model);
  command->add_option("-f,--file", flags->file, "text file that the first message begins with");
  command->add_option("--system", flags->system, "system message of the chat template");
  add_answer_flags(*command, flags->answer);
  command->add_flag("--json", flags->json, "one JSON document a turn, a line each");
  add_kv_flags(*command, flags->kv);
  add_prefill_flags(*command, flags->prefill);
  finish_options(*command);
  command->callback([=] {
    const Result<int> code = run(*flags);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
