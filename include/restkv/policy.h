// What an eviction policy is: a pure function from what was observed of one KV-head group to
// scores of its entries, plus a declaration of what it needs to be told.
//
// The path from observation to selection, the same for every policy:
//   score (the policy) -> vote and smoothing (shared, in the order the policy declares)
//   -> how many each head keeps (the budget split) -> top-k plus the protected entries (shared).
//
// This library knows nothing of models, files or engines: it works on plain tensors.
// Thread safety: a policy is immutable; all its methods may be called concurrently.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "restkv/status.h"
#include "restkv/tensor_view.h"

namespace restkv {

class Workers;

// Statistics that a policy may ask for; the engine computes those that are declared, no others.
// Keys, positions and the head's shape are always there.
enum class Statistic : uint32_t {
  none = 0,
  window_queries = 1u << 0,         // Observation::queries: the last W queries
  values = 1u << 1,                 // Observation::values
  wo_factor = 1u << 2,              // Observation::wo_factor
  column_sums = 1u << 3,            // Observation::column_sums, causal
  column_sums_noncausal = 1u << 4,  // the same, masked in the last W x W corner only
  query_moments = 1u << 5,          // Observation::query_mean and query_covariance
  last_query = 1u << 6,             // Observation::queries: the last query alone, whatever W is
};
constexpr Statistic operator|(Statistic a, Statistic b) {
  return static_cast<Statistic>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b));
}
constexpr bool has(Statistic set, Statistic one) {
  return (static_cast<uint32_t>(set) & static_cast<uint32_t>(one)) != 0;
}

// Where the query heads of a group agree on one selection (granularity kv_head).
enum class VotePoint {
  before_smoothing,  // SnapKV, H2O, AdaKV
  after_smoothing,   // ReST-KV: each query head has its own kernel and shift
  layer,             // TOVA: one selection for all heads of the layer
};
enum class GroupVote { mean, max, sum, norm_mean };
enum class Granularity { kv_head, query_head };
enum class Protects { window, nothing };

// When a cache is cut back to its budget.
struct Schedule {
  enum class Kind {
    prompt,  // once, when the first prompt has been read; what follows grows
    turn,    // whenever a turn's prompt has been read
    decode,  // after every prompt, and every `every` decoded tokens
    chunk,   // after every `every` tokens of a prompt
  };
  Kind kind = Kind::prompt;
  int64_t every = 0;  // decode, chunk: at least 1

  bool operator==(const Schedule&) const = default;
};

// Which position a cached key is rotated to: that of its token, or its index in the cache, where
// keys are stored before RoPE and rotated when they are read.
enum class KeyPositions { original, cache };

struct PolicyTraits {
  std::string_view name;
  Statistic needs = Statistic::none;
  Protects protects = Protects::window;
  VotePoint vote = VotePoint::after_smoothing;
  // true: select_positions() replaces score() and smoothing; all heads of a layer alike.
  bool position_only = false;
  bool keeps_all = false;  // the full cache: never called, nothing is evicted
  bool pools = false;      // scores are smoothed with PolicyOptions::kernel
  // Scores depend on LayerContext::budget; those of other policies serve every budget.
  bool scores_by_budget = false;
  // Floats that live with every entry and are compacted with it (H2O's running sums), for each
  // query head: GroupScores::entry_state goes out, Observation::entry_state comes back.
  int state_per_entry = 0;
  // Entries at the very beginning that the policy keeps by itself (StreamingLLM's sinks).
  int64_t n_sink = 0;
  // PyramidKV's middle case: a prompt below twice the budget is split uniformly. ReST-KV has none.
  bool pyramid_spares_short = true;
  // What the method's own code does; the user can choose another.
  Schedule schedule{};
  KeyPositions positions = KeyPositions::original;
};

// State of one layer that lives as long as its cache (LaCache's cursor and grown budget). Only the
// policy knows what the numbers mean; they are plain so that a session can save them.
struct LayerState {
  std::vector<int64_t> values;
};

// Where the entries stand that are being judged.
struct LayerContext {
  int32_t layer = 0;
  int32_t n_layer = 1;
  // B: entries kept per cached head, window included. score() gets what the user asked for, the
  // same in every layer (ReST-KV's drift uses it under any layer split); select_positions() gets
  // what the split gave this layer.
  int64_t budget = 0;
  int64_t window = 0;   // W: the policy's effective window
  bool strict = false;  // the budget must not be exceeded, whatever the method's own rule says
};

// One KV-head group of one layer as a policy sees it: borrowed, read-only.
// n_entry differs from head to head once budgets are ragged. Views of undeclared statistics are
// empty.
struct Observation {
  LayerContext context;
  float attention_scale = 0.0f;  // usually 1 / sqrt(head_dim)
  // [n_group][n_query][head_dim] after RoPE, oldest first; query i stands at entry
  // n_entry - n_query + i. n_query is W, or 1 for Statistic::last_query.
  TensorView<const float, 3> queries;
  RowsView keys;                         // [n_entry][head_dim]  as cached
  RowsView values;                       // [n_entry][head_dim]
  std::span<const int32_t> positions;    // [n_entry]  original positions
  TensorView<const float, 3> wo_factor;  // [n_group][head_dim][head_dim]  R_h, W_h = Q R_h
  // [n_group][n_entry] softmax weights summed over the queries read since the policy last ran: the
  // whole prompt at first, one query after a decoded token.
  TensorView<const float, 2> column_sums;
  // Of all queries before RoPE but the first 4, then rotated by the mean rotation of the next 512
  // positions: the policy itself knows no RoPE.
  TensorView<const float, 2> query_mean;        // [n_group][head_dim]
  TensorView<const float, 3> query_covariance;  // [n_group][head_dim][head_dim]
  // What the policy's last run left in GroupScores::entry_state, compacted with the cache, zeros
  // for the entries that are new since; empty at the first run.
  TensorView<const float, 3> entry_state;  // [n_group][n_entry][state_per_entry]
  int32_t n_group = 1;                     // query heads that share this KV head
  int32_t kv_head = 0;                     // which KV head of the layer this is

  int64_t n_entry() const { return keys.n_row; }
  int64_t n_past() const { return keys.n_row - context.window; }
};

// How one query head's raw scores are smoothed over the entries (docs/policies.md, pooling).
struct Smoothing {
  enum class Kind { none, average, maximum, shifted_box };
  Kind kind = Kind::none;
  int64_t kernel = 1;  // odd
  int64_t shift = 0;   // shifted_box: the box is centred on j + shift
};

// What score() yields for one group.
struct GroupScores {
  std::vector<float> raw;            // [n_group][n_scored], higher is kept
  std::vector<Smoothing> smoothing;  // [n_group]
  std::vector<double> drift;         // [n_group], adaptive smoothing only
  int64_t n_scored = 0;              // n_past where the window is protected, else n_entry
  std::vector<float> entry_state;    // [n_group][n_entry][state_per_entry], new; else empty

  int64_t n_group() const { return static_cast<int64_t>(smoothing.size()); }
};

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  virtual PolicyTraits traits() const = 0;

  // The window that this policy works with, of the one the user asked for: LayerContext::window.
  // StreamingLLM's is budget - sinks; 0 for Protects::nothing.
  virtual int64_t effective_window(int64_t window, int64_t budget) const;

  // Whether the policy can work with a budget of so many entries; `window` is what
  // effective_window() yields, n_layer is 0 while the model is not known. Errors: capacity; usage
  // (an option that does not fit a model of n_layer layers).
  virtual Status check_budget(int64_t window, int64_t budget, int32_t n_layer) const;

  // False where the policy never touches this layer (L2Norm's first two).
  virtual bool applies_to_layer(int32_t layer) const {
    (void)layer;
    return true;
  }

  // Scores of the entries that may be evicted. REQUIRES: !traits().position_only,
  // n_entry > W >= 0, every declared statistic present. Errors: usage (an option that does not fit
  // the window or budget), capacity (no memory for the statistics).
  virtual Status score(const Observation& group, GroupScores* scores) const;

  // The same for all groups of a layer, scores [groups.size()], on the workers' threads. The base
  // class hands out whole groups; a policy overrides it where it can share a group's work as well,
  // and the result depends neither on that nor on the number of threads. Errors: as score().
  virtual Status score_layer(std::span<const Observation> groups, Workers& workers,
                             std::span<GroupScores> scores) const;

  // The cache indices that stay, ascending; all of them where nothing is to be evicted. `state` is
  // what make_layer_state() gave this layer. REQUIRES: traits().position_only. Errors: capacity (a
  // budget too small for the policy).
  virtual Result<std::vector<int32_t>> select_positions(const LayerContext& context,
                                                        int64_t n_entry, LayerState* state) const;

  // The first entries that a position-only policy keeps by itself, after it has run: pinned entries
  // push out others than these. `state` as select_positions() left it.
  virtual int64_t kept_sinks(const LayerState* state) const {
    (void)state;
    return traits().n_sink;
  }

  // Value merging (CAM): new values [n_entry][head_dim] of one cached head, or nothing. Called
  // before selection, so that what an evicted entry carried can live on. head_in_group: the query
  // head that the cached head belongs to, -1 for one that the whole group shares. REQUIRES of a
  // policy that merges: state_per_entry > 0.
  virtual std::optional<std::vector<float>> merge_values(const Observation& group,
                                                         int32_t head_in_group) const {
    (void)group, (void)head_in_group;
    return std::nullopt;
  }

  virtual std::unique_ptr<LayerState> make_layer_state() const { return nullptr; }
};

// Everything a user can set about a policy. Fields a policy does not know are ignored by it.
// The defaults are the paper's runs (docs/policies.md, rest-kv), with smoothing kernel 21.
struct PolicyOptions {
  std::string name = "rest-kv";
  int64_t window = 32;
  int64_t kernel = 21;   // smoothing kernel, odd; the smallest one of adaptive smoothing
  double alpha = 0.3;    // EMA weight of the newer row
  double beta = 2000.0;  // scale of the adaptive smoothing
  double tau = 1.0;      // exponent of the reconstruction distance, mode after
  bool mode_before = false;
  bool use_projection = true;
  bool use_norm = false;  // mode before: divide by the length of the output
  int64_t n_sink = -1;    // -1: the policy's own (StreamingLLM: 4)
  // rest-kv: ema (default), mean, inv-ema, none; snapkv: sum (default), mean. Empty: the default.
  std::string temporal{};
  // adaptive (rest-kv alone), avgpool, maxpool, none; empty: the policy's own (rest-kv: adaptive,
  // snapkv: avgpool).
  std::string spatial{};
  std::string indicator = "reconstruction";  // reconstruction, attn, attn-v
  int64_t span = 16;                         // LaCache: layers that one rung of the ladder covers
  int64_t overlap = 0;                       // LaCache: layers that two rungs share
  // CAM: a value is merged where its probability reaches this; below 0: drawn at random.
  double merge_threshold = -1.0;
  double start_ratio = 0.1;  // CAM: the share of the entries, from the first on, never merged
  uint64_t seed = 0;         // random, cam

  bool operator==(const PolicyOptions&) const = default;
};

// A policy by its command-line name, its options checked. Names: policy_names(), "full" among
// them, which keeps every entry. Errors: usage, naming the option, its value and what is allowed.
Result<std::unique_ptr<EvictionPolicy>> make_policy(const PolicyOptions& options);
std::vector<std::string_view> policy_names();

// ---- statistics -----------------------------------------------------------------------------

struct ColumnSums {
  float attention_scale = 0.0f;
  // [n_group][n_query][head_dim] after RoPE, oldest first; query i stands at entry
  // n_entry - n_query + i.
  TensorView<const float, 3> queries;
  RowsView keys;  // [n_entry][head_dim]
  // The last `n_masked` queries see no later key; earlier ones do as well, as the published H2O
  // baseline of rest-kv has it. Causal: n_query.
  int64_t n_masked = 0;
};
// What every key receives from all queries, [n_group][n_entry]: column sums of the softmax rows
// (docs/policies.md, h2o). A few rows exist at a time, never a matrix.
// Error: capacity.
Result<std::vector<float>> column_sums(const ColumnSums& args);

// ---- shared: vote, smoothing, selection ----------------------------------------------------

struct SelectionOptions {
  Granularity granularity = Granularity::kv_head;
  GroupVote vote = GroupVote::mean;
};

// The scores that top-k sees: raw scores voted and smoothed in the policy's order.
// Returns [n_sel][n_scored]: n_sel = n_group for query_head, 1 for kv_head and for
// VotePoint::layer, which takes the joined groups of a layer and always votes.
std::vector<float> vote_and_smooth(const GroupScores& scores, VotePoint point,
                                   Granularity granularity, GroupVote vote);
// The same for many groups, on the workers' threads.
std::vector<std::vector<float>> vote_and_smooth(std::span<const GroupScores> groups,
                                                VotePoint point, Granularity granularity,
                                                GroupVote vote, Workers& workers);

// All groups of a layer as one, for VotePoint::layer. REQUIRES: the same n_scored in each.
GroupScores join_groups(std::span<const GroupScores> groups);

// Cache indices kept of one selecting head, ascending: the n_keep best of scores[n_scored] (ties:
// the lower position; NaN and +inf first), the `forced` ones (ascending, below n_scored) among
// them, plus every entry from n_scored to n_entry (the protected window).
// REQUIRES: forced.size() <= n_keep; n_keep above n_scored keeps everything.
std::vector<int32_t> select_entries(std::span<const float> scores, int64_t n_keep, int64_t n_entry,
                                    std::span<const int32_t> forced = {});

// The same for a position-only policy's choice: forced entries that are missing in `kept` push the
// oldest unforced ones out, so that the count stays. REQUIRES: both ascending,
// forced.size() <= kept.size().
std::vector<int32_t> force_entries(std::span<const int32_t> kept, std::span<const int32_t> forced);

// The upper triangular R_h [head_dim][head_dim] of W_h = Q R_h, from W_h [n_embd][head_dim]
// (row stride in elements), so that |W_h e| = |R_h e|. docs/policies.md, rest-kv.
// REQUIRES: row_stride >= head_dim >= 1, finite weights. Zeros are written below the diagonal.
void projection_factor(const float* w_h, int64_t n_embd, int64_t head_dim, int64_t row_stride,
                       float* r_h);

}  // namespace restkv
