// Prompts read with blocks of their attention left out, by every way of cutting and going on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/tile_attention.h"
#include "tests/engine/count_model.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::random_tokens;
using test::scheduled;
using Kind = PrefillAttention::Kind;

using Case = test::NamedConfig;

CacheConfig with_keys(CacheConfig config, KeyPositions positions) {
  config.positions = positions;
  return config;
}

std::vector<Case> cases() {
  constexpr Schedule kTurn{Schedule::Kind::turn}, kChunk{Schedule::Kind::chunk, 640};
  constexpr auto kQuery = Granularity::query_head;
  const auto index = KeyPositions::cache;
  return {
      {"full", cache_config("full", 48)},
      {"rest_kv", cache_config("rest-kv", 48)},
      {"snapkv", scheduled(cache_config("snapkv", 48), kTurn)},
      {"h2o", scheduled(cache_config("h2o", 48), kTurn)},
      {"tova", cache_config("tova", 48)},
      {"expected_attention", scheduled(cache_config("expected-attention", 48), kTurn)},
      {"rest_kv_chunks", scheduled(cache_config("rest-kv", 48), kChunk)},
      {"h2o_chunks", scheduled(cache_config("h2o", 48), kChunk)},
      {"ada", scheduled(cache_config("adakv", 48), kTurn)},
      {"ada_chunks", scheduled(cache_config("adakv", 48), kChunk)},
      {"query_heads", scheduled(cache_config("rest-kv", 48, kQuery), kTurn)},
      {"ada_query_heads", scheduled(cache_config("adakv", 48, kQuery), kTurn)},
      {"streaming", cache_config("streaming-llm", 48)},
      {"ada_by_index", scheduled(with_keys(cache_config("adakv", 48), index), kTurn)},
      {"h2o_by_index", scheduled(with_keys(cache_config("h2o", 48), index), kTurn)},
      {"query_heads_by_index",
       scheduled(with_keys(cache_config("snapkv", 48, kQuery), index), kTurn)},
  };
}

// What is left of a conversation: both answers, both caches, the blocks of both turns.
struct Trace {
  std::vector<std::vector<float>> logits;
  std::vector<KvCache> caches;
  std::vector<sparse::BlockCount> blocks;
};

class Talker {
 public:
  Talker(const Case& c, const std::shared_ptr<const Model>& model)
      : model_(model), compute_(test::make_compute(nullptr, 2, Kernels::automatic)) {
    auto created = Session::create(*model_, *compute_, c.config);
    EXPECT_TRUE(created.ok()) << created.status().message();
    session_ = std::move(*created);
  }

  // Two turns and three decoded tokens behind each.
  Trace talk(const PrefillAttention& attention, int64_t n_first, int64_t n_second) {
    test::CountModel counts(session_->plan(), model_->hparams());
    Trace trace;
    for (const int64_t n : {n_first, n_second}) {
      const auto tokens = random_tokens(n, static_cast<uint32_t>(n));
      const Status status = session_->read({.tokens = tokens, .attention = attention});
      EXPECT_TRUE(status.ok()) << status.message();
      trace.blocks.push_back(session_->attention_blocks());
      counts.read(n);
      counts.check(session_->cache());
      for (const int32_t token : random_tokens(3, 9)) {
        trace.logits.emplace_back(session_->logits().begin(), session_->logits().end());
        EXPECT_TRUE(session_->decode(token).ok());
        counts.decode();
        counts.check(session_->cache());
      }
      trace.caches.push_back(test::copy_of(session_->cache()));
    }
    return trace;
  }

 private:
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Compute> compute_;
  std::unique_ptr<Session> session_;
};

std::vector<std::shared_ptr<const Model>> models() {
  return {test::tiny_model(), test::wide_model(), test::qwen_model(), test::gemma_model()};
}

class SparseReading : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Cases, SparseReading, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST_P(SparseReading, OfAllBlocksIsDense) {
  if (!TileAttention::available()) GTEST_SKIP() << "dense attention is ggml's: it rounds otherwise";
  const auto& schedule = GetParam().config.schedule;
  const bool chunks = schedule && schedule->kind == Schedule::Kind::chunk;
  const int64_t n_first = chunks ? 800 : 300;
  for (const auto& model : models()) {
    const Trace dense = Talker(GetParam(), model).talk({}, n_first, 200);
    for (const PrefillAttention& attention :
         std::vector<PrefillAttention>{{.kind = Kind::flex, .gamma = 1.0},
                                       {.kind = Kind::flex, .gamma = 1.0, .tau = 0.0},
                                       {.kind = Kind::a_shape, .n_local = 1 << 20}}) {
      SCOPED_TRACE(testing::Message() << model->hparams().arch << ", kind " << int(attention.kind)
                                      << ", tau " << attention.tau);
      const Trace all = Talker(GetParam(), model).talk(attention, n_first, 200);
      for (const auto& blocks : all.blocks)
        EXPECT_EQ(blocks.share(), 1.0);
      EXPECT_EQ(all.logits, dense.logits);
      for (size_t i = 0; i < all.caches.size(); ++i)
        test::expect_equal(all.caches[i], dense.caches[i]);
    }
  }
}

// Counts are checked as the conversation goes on.
TEST_P(SparseReading, OfSomeBlocksKeepsWhatTheBudgetSays) {
  for (const auto& model : {test::tiny_model(), test::gemma_model()}) {
    for (const PrefillAttention& attention : std::vector<PrefillAttention>{
             {.kind = Kind::flex, .gamma = 0.4, .min_budget = 128},
             {.kind = Kind::minference, .n_vertical = 128, .n_slash = 128},
             {.kind = Kind::a_shape, .n_sink = 128, .n_local = 128}}) {
      SCOPED_TRACE(testing::Message() << model->hparams().arch << ", kind " << int(attention.kind));
      const Trace some = Talker(GetParam(), model).talk(attention, 1000, 900);
      for (const auto& blocks : some.blocks) {
        EXPECT_GT(blocks.computed, 0);
        EXPECT_LT(blocks.share(), 1.0);
      }
      for (const auto& row : some.logits)
        EXPECT_TRUE(std::ranges::all_of(row, [](float x) { return std::isfinite(x); }));
    }
  }
}

}  // namespace
}  // namespace restkv
