#include "eval/evaluate.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "core/clock.h"
#include "eval/crew.h"
#include "eval/result_file.h"
#include "eval/sample_run.h"
#include "eval/variant_reading.h"

namespace restkv {
namespace {

// Samples of a cell that are answered together.
struct Piece {
  const EvalCell* cell = nullptr;
  std::vector<int64_t> numbers{};

  int64_t size() const { return std::ssize(numbers); }
};

// They depend on the order of the cells and the shard, not on what is there already.
std::vector<Piece> list_pieces(const Evaluation& evaluation) {
  std::vector<Piece> pieces;
  int64_t number = 0;
  for (const EvalCell& cell : evaluation.cells) {
    Piece piece{&cell};
    for (int64_t i = 0; i < cell.source->size(); ++i, ++number) {
      if (number % evaluation.shard.count != evaluation.shard.index) continue;
      piece.numbers.push_back(i);
      if (piece.size() == evaluation.group_size())
        pieces.push_back(std::exchange(piece, Piece{&cell}));
    }
    if (piece.size() > 0) pieces.push_back(std::move(piece));
  }
  return pieces;
}

PlannedReading planned_reading(const Evaluation& evaluation, int64_t n_token) {
  return {.n_token = n_token,
          .kernels = evaluation.engine.kernels,
          .n_threads = evaluation.n_thread_each,
          .attention = evaluation.attention};
}

// Remaining time by what the samples of this run took: in proportion to their length, where that is
// known.
class Forecast {
 public:
  explicit Forecast(const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces)
      left_ += weight(piece);
  }
  void done(const Piece& piece, bool answered) {
    left_ -= weight(piece);
    if (answered) answered_ += weight(piece);
    if (!answered && answered_ == 0) start_ms_ = now_ms();  // passing over what is there is free
  }
  std::optional<double> left_s() const {
    if (answered_ <= 0) return std::nullopt;
    return (now_ms() - start_ms_) / 1000 / answered_ * left_;
  }

 private:
  // An answer takes as long as the reading of some tokens: a length may be 0.
  static double weight(const Piece& piece) {
    constexpr int64_t kAnswer = 256;
    return static_cast<double>(piece.size() * (piece.cell->length.value_or(0) + kAnswer));
  }

  double left_ = 0, answered_ = 0;
  double start_ms_ = now_ms();
};

class Run {
 public:
  Run(const Model& model, const Evaluation& evaluation)
      : model_(model),
        evaluation_(evaluation),
        pieces_(list_pieces(evaluation)),
        n_process_(static_cast<int>(
            std::min<int64_t>(std::max(evaluation.n_process, 1), std::ssize(pieces_)))),
        forecast_(pieces_) {}

  Result<EvalOutcome> run() {
    RESTKV_ASSIGN_OR_RETURN(file_, ResultFile::open(evaluation_.out, evaluation_.config));
    times_.open(evaluation_.out + ".times.jsonl", std::ios::app);
    for (const Piece& piece : pieces_)
      outcome_.n_sample += piece.size();
    const CrewPlan plan{
        .n_piece = std::ssize(pieces_),
        .n_process = n_process_,
        .begin = [this] { return begin(); },
        .take = [this](int64_t i, const std::string& result) { return take(i, result); },
        .on_wait = [this] { show(std::nullopt); },
        .cancel = evaluation_.cancel};
    RESTKV_RETURN_IF_ERROR(run_crew(plan));
    return outcome_;
  }

 private:
  Result<PieceWork> begin() {
    const bool alone = n_process_ <= 1;
    if (!alone) file_->close();  // the lock is the first process's
    RESTKV_ASSIGN_OR_RETURN(compute_, Compute::create(evaluation_.n_thread_each, evaluation_.cancel,
                                                      evaluation_.engine.kernels));
    std::function<void(double)> on_reading;
    if (alone) on_reading = [this](double share) { show(share); };
    runner_ = std::make_unique<SampleRunner>(model_, *compute_, evaluation_, *file_, on_reading);
    return PieceWork([this](int64_t i) -> Result<std::string> {
      now_ = &pieces_[i];
      RESTKV_ASSIGN_OR_RETURN(const auto samples, runner_->run(*now_->cell, now_->numbers));
      return SampleLines::pack(samples);
    });
  }

  Status take(int64_t i, const std::string& result) {
    now_ = &pieces_[i];
    bool answered = false;
    for (const SampleLines& lines : SampleLines::unpack(result)) {
      if (lines.results.empty()) continue;
      times_ << lines.times << std::flush;
      RESTKV_RETURN_IF_ERROR(file_->append(lines.results));
      ++outcome_.n_answered;
      answered = true;
    }
    forecast_.done(*now_, answered);
    n_done_ += now_->size();
    show(std::nullopt);
    return {};
  }

  void show(std::optional<double> reading) const {
    if (!evaluation_.on_progress) return;
    EvalProgress progress;
    progress.n_done = n_done_;
    progress.n_sample = outcome_.n_sample;
    if (now_ != nullptr) {
      progress.task = now_->cell->task;
      progress.length = now_->cell->length;
    }
    progress.reading = reading;
    progress.left_s = forecast_.left_s();
    evaluation_.on_progress(progress);
  }

  const Model& model_;
  const Evaluation& evaluation_;
  const std::vector<Piece> pieces_;
  const int n_process_;  // those that there is work for
  Forecast forecast_;
  std::unique_ptr<ResultFile> file_;
  std::ofstream times_;
  std::unique_ptr<Compute> compute_;
  std::unique_ptr<SampleRunner> runner_;
  const Piece* now_ = nullptr;
  int64_t n_done_ = 0;
  EvalOutcome outcome_;
};

}  // namespace

Result<EvalOutcome> evaluate(const Model& model, const Evaluation& evaluation) {
  return Run(model, evaluation).run();
}

int usual_together(const HParams& hp, const Evaluation& evaluation) {
  constexpr int64_t kBatch = 96, kMost = 8, kGroups = 4;
  constexpr size_t kCaches = size_t{1} << 30;
  const int64_t limit =
      evaluation.prompt.max_length > 0 ? evaluation.prompt.max_length : int64_t{hp.n_ctx_train};
  int64_t n_sample = 0, n_token = 1;
  for (const EvalCell& cell : evaluation.cells) {
    n_sample = std::max(n_sample, cell.source->size());
    n_token = std::max(n_token, std::min(cell.length.value_or(limit), limit));
  }
  const MemoryPlan one =
      plan_variants(hp, planned_reading(evaluation, n_token), 0, 1, evaluation.variants);
  const auto in_memory = static_cast<int64_t>(kCaches / std::max<size_t>(one.kv_peak_bytes, 1));
  const int64_t batch = kBatch / std::max<int64_t>(std::ssize(evaluation.variants), 1);
  return static_cast<int>(
      std::clamp<int64_t>(std::min({batch, in_memory, n_sample / kGroups}), 1, kMost));
}

Status check_eval_memory(const HParams& hparams, const Evaluation& evaluation, int64_t n_token,
                         int n_new, int n_process, int n_together) {
  MemoryPlan plan = plan_variants(hparams, planned_reading(evaluation, n_token), n_new, n_together,
                                  evaluation.variants);
  plan.kv_peak_bytes *= n_process;
  plan.hidden_bytes *= n_process;
  plan.work_bytes *= n_process;
  const Status status = check_memory(plan, n_token);
  if (status.ok()) return status;
  std::string what = std::to_string(evaluation.variants.size()) + " variants";
  if (n_together > 1) what += " of " + std::to_string(n_together) + " samples (--together)";
  if (n_process > 1) what += " in " + std::to_string(n_process) + " processes (--jobs)";
  return Status(status.kind(), what + ": " + status.message());
}

}  // namespace restkv
