// What a cancelled or impossible step leaves behind.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/prefill.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::make_compute;
using test::make_sequence;
using test::random_tokens;

// A computation that can be stopped, and one sequence.
class Failure : public ::testing::Test {
 protected:
  void begin(const CacheConfig& config, int64_t n_token = 100) {
    sequence = make_sequence(config);
    ASSERT_TRUE(read(random_tokens(n_token, 1)).ok());
  }
  Status read(std::span<const int32_t> tokens, int64_t cancel_after = -1) {
    ReadRequest request{.tokens = tokens};
    int64_t n_call = 0;
    request.on_progress = [&](const PrefillProgress&) {
      if (++n_call == cancel_after) cancelled = true;
    };
    return extend(*test::tiny_model(), *compute, request, &sequence).status();
  }
  Status decode_one(int32_t token) {
    const DecodeSlot slot{&sequence, token};
    return decode(*test::tiny_model(), *compute, {&slot, 1}, &logits);
  }

  std::atomic<bool> cancelled{false};
  std::unique_ptr<Compute> compute = make_compute(&cancelled);
  Sequence sequence;
  std::vector<float> logits;
};

CacheConfig cut_while_decoding(const std::string& policy, int64_t every) {
  CacheConfig config = cache_config(policy, 40);
  config.schedule = Schedule{Schedule::Kind::decode, every};
  return config;
}

TEST_F(Failure, CancelledDecodeLeavesTheSequenceAsItWas) {
  for (const auto* policy : {"full", "rest-kv", "h2o", "streaming-llm", "expected-attention"}) {
    for (const auto positions : {KeyPositions::original, KeyPositions::cache}) {
      SCOPED_TRACE(policy);
      CacheConfig config = cut_while_decoding(policy, 3);
      config.positions = positions;
      begin(config);
      Sequence untouched = std::move(sequence);
      begin(config);
      cancelled = true;
      for (int i = 0; i < 20; ++i)
        ASSERT_FALSE(decode_one(5).ok());
      cancelled = false;
      EXPECT_FALSE(sequence.broken);
      test::expect_equal(sequence.cache, untouched.cache);
      std::vector<float> expected;
      for (int32_t i = 0; i < 10; ++i) {
        const DecodeSlot slot{&untouched, i};
        ASSERT_TRUE(decode(*test::tiny_model(), *compute, {&slot, 1}, &expected).ok());
        ASSERT_TRUE(decode_one(i).ok());
        EXPECT_EQ(logits, expected);
      }
      test::expect_equal(sequence.cache, untouched.cache);
    }
  }
}

// Nothing has changed before the first layer is finished: the sequence goes on, and its next cut
// sees the queries that it would have seen.
TEST_F(Failure, ReadingCancelledInTheFirstLayerChangesNothing) {
  for (const auto* policy : {"snapkv", "rest-kv", "h2o", "tova", "streaming-llm"}) {
    SCOPED_TRACE(policy);
    begin(cut_while_decoding(policy, 1));
    Sequence untouched = std::move(sequence);
    begin(cut_while_decoding(policy, 1));
    ASSERT_FALSE(read(random_tokens(700, 2), /*cancel_after=*/1).ok());  // of two chunks
    cancelled = false;
    EXPECT_FALSE(sequence.broken);
    test::expect_equal(sequence.cache, untouched.cache);
    std::vector<float> expected;
    for (int32_t i = 0; i < 4; ++i) {
      const DecodeSlot slot{&untouched, i};
      ASSERT_TRUE(decode(*test::tiny_model(), *compute, {&slot, 1}, &expected).ok());
      ASSERT_TRUE(decode_one(i).ok());
      EXPECT_EQ(logits, expected);
    }
    test::expect_equal(sequence.cache, untouched.cache);
  }
}

TEST_F(Failure, ReadingCancelledHalfWayBreaksTheSequence) {
  for (const int64_t layer : {1, 2}) {
    begin(cut_while_decoding("snapkv", 2));
    ASSERT_FALSE(read(random_tokens(30, 2), layer).ok());
    cancelled = false;
    EXPECT_TRUE(sequence.broken);
    for (const Status& status : {read(random_tokens(30, 2)), decode_one(1)}) {
      EXPECT_EQ(status.kind(), ErrorKind::runtime);
      EXPECT_NE(status.message().find("broken"), std::string::npos) << status.message();
    }
  }
}

TEST_F(Failure, FirstReadingCancelledHalfWayBreaksTheSequence) {
  sequence = make_sequence(cache_config("snapkv", 40));
  ASSERT_FALSE(read(random_tokens(100, 1), 2).ok());
  cancelled = false;
  EXPECT_FALSE(read(random_tokens(30, 2)).ok());
  EXPECT_FALSE(decode_one(1).ok());
}

TEST_F(Failure, FirstReadingCancelledAtOnceCanBeRepeated) {
  sequence = make_sequence(cache_config("snapkv", 40));
  cancelled = true;
  ASSERT_FALSE(read(random_tokens(100, 1)).ok());
  cancelled = false;
  EXPECT_EQ(decode_one(1).kind(), ErrorKind::usage);
  Sequence failed = std::move(sequence);
  begin(cache_config("snapkv", 40));
  Sequence fresh = std::move(sequence);
  sequence = std::move(failed);
  ASSERT_TRUE(read(random_tokens(100, 1)).ok());
  test::expect_equal(sequence.cache, fresh.cache);
}

TEST_F(Failure, ChunksCancelledInALaterOneBreakTheSequence) {
  CacheConfig config = cache_config("snapkv", 40);
  config.schedule = Schedule{Schedule::Kind::chunk, 30};
  sequence = make_sequence(config);
  ASSERT_FALSE(read(random_tokens(100, 1), 5).ok());
  cancelled = false;
  EXPECT_TRUE(sequence.broken);
  EXPECT_FALSE(decode_one(1).ok());
}

TEST_F(Failure, ErrorOfTheCallersOwnStopsTheReading) {
  begin(cache_config("snapkv", 40));
  const auto tokens = random_tokens(10, 3);
  ReadRequest request{.tokens = tokens};
  request.on_logits = [](int64_t, TensorView<const float, 2>) { return Status::runtime("enough"); };
  EXPECT_EQ(extend(*test::tiny_model(), *compute, request, &sequence).status().message(), "enough");
}

TEST(Session, RefusesAnEmptyPrompt) {
  test::Talk talk(cache_config("snapkv", 40));
  EXPECT_EQ(talk.session->read({}).kind(), ErrorKind::usage);
}

// In a lane, and behind the last whole row of lanes.
TEST(Logits, ThatAreNoNumbersAreRefused) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const size_t n : {1, 16, 35}) {
    std::vector<float> logits(n, -3e38f);
    EXPECT_TRUE(check_logits(*test::tiny_model(), logits).ok());
    for (const size_t at : {size_t{0}, n / 2, n - 1}) {
      for (const float bad : {kInf, -kInf, std::nanf("")}) {
        std::vector<float> some = logits;
        some[at] = bad;
        EXPECT_EQ(check_logits(*test::tiny_model(), some).kind(), ErrorKind::model);
      }
    }
  }
}

// A batch fails as a whole: no slot has moved.
TEST_F(Failure, CancelledBatchChangesNoSequence) {
  begin(cache_config("full", 40));
  Sequence other = make_sequence(cut_while_decoding("snapkv", 2));
  const auto tokens = random_tokens(70, 4);
  ASSERT_TRUE(extend(*test::tiny_model(), *compute, {.tokens = tokens}, &other).ok());
  const KvCache before = test::copy_of(other.cache);
  cancelled = true;
  const DecodeSlot slots[] = {{&sequence, 1}, {&other, 2}};
  EXPECT_FALSE(decode(*test::tiny_model(), *compute, slots, &logits).ok());
  test::expect_equal(other.cache, before);
  EXPECT_EQ(sequence.n_seen(), 100);
}

}  // namespace
}  // namespace restkv
