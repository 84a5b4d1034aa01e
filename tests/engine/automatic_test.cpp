// The default kernels beside ggml's on the same weights in floats: every weight type, prompts and
// batches on either side of each limit where another path is taken.
#include <gtest/gtest.h>

#include <numeric>

#include "engine/chunks.h"
#include "tests/engine/automatic_models.h"

namespace restkv {
namespace {

using test::cache_config;
using test::float_side;
using test::own_side;
using test::random_tokens;
using test::Side;
using test::worst_row_error;

// Of the worst row's logits, relative to their length. bf16 has 8 significant bits: rounding once
// changes a vector by 2^-9 / sqrt(3) = 0.1 % of its length, and 8-bit activations by about 0.5 %.
// Two layers and the head round some 16 vectors, attention multiplies what comes out, and of many
// rows the worst counts: 1 to 4 % is what there is. A row or head in the wrong place is 100 %, a
// bias that is left out 10 %.
constexpr double kWorst = 5e-2;
// Of all rows together, which does not grow with their number.
constexpr double kAll = 2e-2;
// ggml rounds activations to 8 bits for long prompts too, and k-quants' 256 at a time. Its products
// are the default where ours are not faster.
constexpr double kAllByGgml = 3.5e-2;

void expect_close(const std::vector<float>& a, const std::vector<float>& b, int64_t n_row,
                  double factor = 1) {
  EXPECT_LT(worst_row_error(a, b, n_row), factor * kWorst);
  if (n_row >= 64) {
    const bool ours = reads_in_panels(n_row, Kernels::automatic);
    EXPECT_LT(test::relative_error(a, b), factor * (ours ? kAll : kAllByGgml));
  }
}

class Automatic : public ::testing::TestWithParam<test::AutomaticModel> {
 protected:
  const test::Pair& pair = test::load_pair(GetParam());
};

std::string name_of(const ::testing::TestParamInfo<test::AutomaticModel>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Models, Automatic, ::testing::ValuesIn(test::automatic_models()), name_of);

// Both sides go on from entries of their own reading.
TEST_P(Automatic, PromptsAndWhatFollowsAreClose) {
  for (const int64_t n : {1, 5, 8, 9, 20, 64, 200, 650}) {
    SCOPED_TRACE(n);
    const Side own = own_side(pair), floats = float_side(pair);
    Sequence a = test::make_sequence(cache_config("full", 48));
    Sequence b = test::make_sequence(cache_config("full", 48));
    const auto tokens = random_tokens(n, 1);
    expect_close(own.read(tokens, &a), floats.read(tokens, &b), n);
    for (const int32_t token : random_tokens(3, 2)) {
      const DecodeSlot x{&a, token}, y{&b, token};
      expect_close(own.step({&x, 1}), floats.step({&y, 1}), 1);
    }
  }
}

// Kernels for few vectors take 8 at once; from 16 on they are multiplied in panels.
TEST_P(Automatic, BatchesAreClose) {
  const Side own = own_side(pair), floats = float_side(pair);
  for (const int64_t n_slot : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 40}) {
    SCOPED_TRACE(n_slot);
    std::vector<Sequence> a, b;
    std::vector<DecodeSlot> x, y;
    for (int64_t i = 0; i < n_slot; ++i) {
      const auto tokens = random_tokens(3 + 11 * (i % 9), static_cast<uint32_t>(10 + i));
      for (auto* all : {&a, &b}) {
        all->push_back(test::make_sequence(cache_config("full", 48)));
        floats.read(tokens, &all->back());
      }
    }
    const auto next = random_tokens(n_slot, 3);
    for (int64_t i = 0; i < n_slot; ++i) {
      x.push_back({&a[i], next[i]});
      y.push_back({&b[i], next[i]});
    }
    for (int round = 0; round < 2; ++round)
      expect_close(own.step(x), floats.step(y), n_slot);
  }
}

// The last row alone goes through the head as a single vector.
TEST_P(Automatic, LastLogitsAreThoseOfTheWholePrompt) {
  const Side own = own_side(pair);
  for (const int64_t n : {8, 40}) {
    const auto tokens = random_tokens(n, 4);
    Sequence a = test::make_sequence(cache_config("full", 48));
    Sequence b = test::make_sequence(cache_config("full", 48));
    const std::vector<float> all = own.read(tokens, &a);
    const auto last = extend(*own.model, *own.compute, {.tokens = tokens}, &b);
    ASSERT_TRUE(last.ok());
    const size_t n_vocab = last->last_logits.size();
    EXPECT_LT(worst_row_error(last->last_logits, std::span(all).last(n_vocab), 1), kWorst);
    test::expect_equal(a.cache, b.cache);
  }
}

CacheConfig config_of(const std::string& policy, StorageType type, KeyPositions positions,
                      Granularity granularity = Granularity::kv_head) {
  CacheConfig config = cache_config(policy, 48, granularity);
  config.type = type;
  config.positions = positions;
  return config;
}

// The same first cut, from ggml's reading: scores that differ by rounding may keep other entries.
void expect_close_turns(const test::Pair& pair, const CacheConfig& config, double factor = 1) {
  const Side own = own_side(pair), floats = float_side(pair);
  Sequence a = test::make_sequence(config), b = test::make_sequence(config);
  for (Sequence* sequence : {&a, &b})
    floats.read(random_tokens(150, 5), sequence);
  uint32_t seed = 6;
  for (const int64_t n : {30, 3, 140, 1, 9}) {
    SCOPED_TRACE(n);
    const auto tokens = random_tokens(n, ++seed);
    expect_close(own.read(tokens, &a), floats.read(tokens, &b), n, factor);
    for (const int32_t token : random_tokens(2, ++seed)) {
      const DecodeSlot x{&a, token}, y{&b, token};
      expect_close(own.step({&x, 1}), floats.step({&y, 1}), 1, factor);
    }
  }
}

// A row that rounds to the next of 16 values instead moves by more than its own rounding.
double factor_of(StorageType type) {
  return type == StorageType::q4_0 ? 3 : 1;
}

TEST(AutomaticTurns, AreClose) {
  for (const auto* name : {"llama_q4_1", "gemma_q5_0", "llama_q4_k_q6_k"}) {
    const test::Pair& pair = test::load_pair(test::automatic_model(name));
    for (const auto type : {StorageType::f16, StorageType::q8_0, StorageType::q4_0}) {
      for (const auto positions : {KeyPositions::original, KeyPositions::cache}) {
        for (const auto* policy : {"full", "snapkv", "adakv"}) {
          SCOPED_TRACE(testing::Message() << name << ' ' << policy << ", type " << int(type)
                                          << ", positions " << int(positions));
          expect_close_turns(pair, config_of(policy, type, positions), factor_of(type));
        }
      }
    }
  }
}

TEST(AutomaticTurns, AreCloseWhereQueryHeadsHaveTheirOwnEntries) {
  for (const auto* name : {"llama_q8_0", "qwen2_q4_0"}) {
    SCOPED_TRACE(name);
    for (const auto positions : {KeyPositions::original, KeyPositions::cache}) {
      expect_close_turns(test::load_pair(test::automatic_model(name)),
                         config_of("adakv", StorageType::f16, positions, Granularity::query_head));
    }
  }
}

// Tokens of more than one chunk, the remainder of which is no whole block.
TEST(AutomaticReading, GoesOnFromChunkToChunk) {
  const test::Pair& pair = test::load_pair(test::automatic_model("qwen2_q4_0"));
  const Side own = own_side(pair), floats = float_side(pair);
  const int64_t n = max_chunk_rows(pair.own->hparams(), 1000, own.compute->kernels()) + 70;
  Sequence a = test::make_sequence(cache_config("full", 48));
  Sequence b = test::make_sequence(cache_config("full", 48));
  const auto tokens = random_tokens(n, 30);
  expect_close(own.read(tokens, &a), floats.read(tokens, &b), n);
}

TEST(AutomaticReading, DoesNotDependOnThreads) {
  for (const auto* name : {"llama_f32", "gemma_q5_0", "qwen2_q5_k", "llama_q8_0_f16"}) {
    const test::Pair& pair = test::load_pair(test::automatic_model(name));
    for (const int64_t n : {7, 20, 300}) {
      SCOPED_TRACE(testing::Message() << name << ' ' << n);
      const auto tokens = random_tokens(n, 31);
      Sequence one = test::make_sequence(cache_config("full", 48));
      const auto expected = own_side(pair).read(tokens, &one);
      for (const int n_threads : {2, 3}) {
        Sequence many = test::make_sequence(cache_config("full", 48));
        const Side side = own_side(pair, n_threads);
        EXPECT_EQ(side.read(tokens, &many), expected);
        test::expect_equal(many.cache, one.cache);
      }
    }
  }
}

// Parts of a head's entries are added up in another order.
TEST(AutomaticDecoding, DependsOnThreadsByRoundingAlone) {
  for (const auto* name : {"llama_f32", "gemma_q5_0", "qwen2_q5_k", "llama_q8_0_f16"}) {
    SCOPED_TRACE(name);
    const test::Pair& pair = test::load_pair(test::automatic_model(name));
    Sequence one = test::make_sequence(cache_config("full", 48));
    const Side single = own_side(pair);
    single.read(random_tokens(300, 32), &one);
    const DecodeSlot slot{&one, 5};
    const auto expected = single.step({&slot, 1});
    for (const int n_threads : {2, 3}) {
      Sequence many = test::make_sequence(cache_config("full", 48));
      single.read(random_tokens(300, 32), &many);
      const DecodeSlot other{&many, 5};
      const auto logits = own_side(pair, n_threads).step({&other, 1});
      EXPECT_LT(worst_row_error(logits, expected, 1), kWorst / 5);
    }
  }
}

}  // namespace
}  // namespace restkv
