// Sparse prefill and cancelling with the default kernels.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "engine/tile_attention.h"
#include "tests/engine/automatic_models.h"

namespace restkv {
namespace {

using test::cache_config;
using test::own_side;
using test::random_tokens;
using test::Side;
using test::worst_row_error;
using Kind = PrefillAttention::Kind;

constexpr int64_t kBlock = 128;

// Dense attention is computed by the same kernel, but for plain loops, which only sparse attention
// takes; the rows after it round differently then.
double rounding() {
  return TileAttention::available() ? 1e-6 : 5e-2;
}

struct Read {
  std::vector<float> logits;
  sparse::BlockCount blocks;
};

Read read(const Side& side, int64_t n, const PrefillAttention& attention) {
  Read result;
  Sequence sequence = test::make_sequence(cache_config("full", 48));
  result.logits = side.read(random_tokens(n, 1), &sequence, attention, &result.blocks);
  return result;
}

std::vector<PrefillAttention> that_take_all() {
  return {{.kind = Kind::flex, .gamma = 1.0},
          {.kind = Kind::flex, .gamma = 1.0, .tau = 0.0},
          {.kind = Kind::minference},
          {.kind = Kind::a_shape}};
}

TEST(AutomaticSparse, AllBlocksAreDenseAttention) {
  for (const auto* name : {"llama_q8_0", "gemma_q5_0"}) {
    const Side own = own_side(test::load_pair(test::automatic_model(name)), 2);
    for (const int64_t n : {20, 130, 700}) {
      const Read dense = read(own, n, {});
      for (const PrefillAttention& attention : that_take_all()) {
        SCOPED_TRACE(testing::Message() << name << ' ' << n << ", kind " << int(attention.kind));
        const Read all = read(own, n, attention);
        EXPECT_EQ(all.blocks.share(), 1.0);
        EXPECT_LT(worst_row_error(all.logits, dense.logits, n), rounding());
      }
    }
  }
}

// With one block of a window and one of sinks nothing is missing before the fourth block.
TEST(AutomaticSparse, BlocksThatAreLeftOutChangeTheRowsThatWouldSeeThem) {
  const Side own = own_side(test::load_pair(test::automatic_model("qwen2_q4_0")));
  const int64_t n = 900;
  const Read dense = read(own, n, {});
  const Read some = read(own, n, {.kind = Kind::a_shape, .n_sink = kBlock, .n_local = kBlock});
  EXPECT_LT(some.blocks.share(), 0.9);
  EXPECT_GT(some.blocks.share(), 0.3);
  const size_t n_vocab = dense.logits.size() / n, same = 3 * kBlock * n_vocab;
  const std::span<const float> a(some.logits), b(dense.logits);
  EXPECT_LT(worst_row_error(a.first(same), b.first(same), 3 * kBlock), rounding());
  EXPECT_GT(worst_row_error(a.subspan(same), b.subspan(same), n - 3 * kBlock), 1e-1);
}

TEST(AutomaticSparse, LongPromptsLeaveBlocksOut) {
  const Side own = own_side(test::load_pair(test::automatic_model("llama_q8_0")), 2);
  for (const PrefillAttention& attention : std::vector<PrefillAttention>{
           {.kind = Kind::flex, .gamma = 0.5, .min_budget = kBlock},
           {.kind = Kind::flex, .gamma = 0.5, .tau = 0.0, .min_budget = kBlock},
           {.kind = Kind::minference, .n_vertical = kBlock, .n_slash = 2 * kBlock},
           {.kind = Kind::a_shape, .n_sink = kBlock, .n_local = 2 * kBlock}}) {
    SCOPED_TRACE(testing::Message() << "kind " << int(attention.kind));
    const Read one = read(own, 1100, attention);
    EXPECT_LT(one.blocks.share(), 1.0);
    EXPECT_GT(one.blocks.share(), 0.2);
    EXPECT_EQ(read(own, 1100, attention).logits, one.logits);
  }
}

// A sequence that is being read while somebody stops it.
class AutomaticCancel : public ::testing::Test {
 protected:
  Result<ReadResult> read(const std::function<void(const PrefillProgress&)>& on_progress = {}) {
    ReadRequest request{.tokens = tokens, .on_progress = on_progress};
    return extend(*pair.own, *compute, request, &sequence);
  }
  // What an error leaves is either untouched, and can be read again, or said to be broken.
  void expect_clean(const Result<ReadResult>& result) {
    if (result.ok()) return;
    EXPECT_EQ(result.status().kind(), ErrorKind::runtime) << result.status().message();
    cancelled = false;
    if (sequence.broken) {
      EXPECT_EQ(read().status().kind(), ErrorKind::runtime);
      return;
    }
    const auto again = read();
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(again->last_logits, expected);
  }

  const test::Pair& pair = test::load_pair(test::automatic_model("llama_q8_0"));
  const std::vector<int32_t> tokens = random_tokens(700, 2);
  std::atomic<bool> cancelled{false};
  std::unique_ptr<Compute> compute = test::make_compute(&cancelled, 2, Kernels::automatic);
  Sequence sequence = test::make_sequence(cache_config("snapkv", 48));
  std::vector<float> expected = [this] {
    Sequence whole = test::make_sequence(cache_config("snapkv", 48));
    const ReadRequest request{.tokens = tokens};
    return extend(*pair.own, *compute, request, &whole)->last_logits;
  }();
};

TEST_F(AutomaticCancel, BetweenTwoChunks) {
  for (const int64_t after : {1, 2}) {
    SCOPED_TRACE(after);
    sequence = test::make_sequence(cache_config("snapkv", 48));
    int64_t n_call = 0;
    const auto result = read([&](const PrefillProgress&) { cancelled = ++n_call >= after; });
    EXPECT_EQ(result.ok(), n_call < after);
    expect_clean(result);
    cancelled = false;
  }
}

TEST_F(AutomaticCancel, BeforeItBegins) {
  cancelled = true;
  const auto result = read();
  EXPECT_FALSE(result.ok());
  EXPECT_FALSE(sequence.broken);
  expect_clean(result);
}

// Whenever it comes: none of the outcomes depends on the time.
TEST_F(AutomaticCancel, InTheMiddleOfAGraph) {
  for (int delay = 0; delay < 12; ++delay) {
    SCOPED_TRACE(delay);
    sequence = test::make_sequence(cache_config("snapkv", 48));
    std::jthread other([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(100 << (delay / 2)));
      cancelled = true;
    });
    const auto result = read();
    other.join();
    expect_clean(result);
    cancelled = false;
  }
}

}  // namespace
}  // namespace restkv
