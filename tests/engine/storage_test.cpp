// What rows are stored as: ggml's own quantisation of the f16 rows, once and for all.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/engine/plain_decoder.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::random_tokens;
using test::relative_error;
using test::slice;
using test::Talk;

CacheConfig stored(const std::string& policy, StorageType type) {
  CacheConfig config = cache_config(policy, 48);
  config.type = type;
  return config;
}

std::vector<std::byte> quantised(const LayerCache& halves, const std::byte* row, StorageType type) {
  const std::vector<float> floats = test::floats_of(halves, row);
  std::vector<std::byte> out(storage_row_bytes(type, halves.head_dim()));
  ggml_quantize_chunk(ggml_type_of(type), floats.data(), out.data(), 0, 1, halves.head_dim(),
                      nullptr);
  return out;
}

// Entries first .. of every head of a layer are those of `halves`, quantised.
void expect_quantised(const LayerCache& layer, const LayerCache& halves, int32_t first) {
  ASSERT_EQ(layer.n_head(), halves.n_head());
  for (int32_t h = 0; h < layer.n_head(); ++h) {
    ASSERT_EQ(layer.count(h), halves.count(h));
    for (int32_t i = first; i < layer.count(h); ++i) {
      ASSERT_EQ(layer.positions(h)[i], halves.positions(h)[i]);
      const test::StoredRow row = test::stored_row(layer, h, i);
      ASSERT_EQ(row.k, quantised(halves, halves.k_row(h, i), layer.type()));
      ASSERT_EQ(row.v, quantised(halves, halves.v_row(h, i), layer.type()));
    }
  }
}

class Storage : public ::testing::TestWithParam<StorageType> {};

// The first prompt is chosen from f16, so that the type changes nothing but the rows.
TEST_P(Storage, RowsAreTheHalvesQuantised) {
  for (const std::string_view policy : policy_names()) {
    if (policy == "cam") continue;  // its merged values never were f16
    for (const auto positions : {KeyPositions::original, KeyPositions::cache}) {
      SCOPED_TRACE(policy);
      CacheConfig config = stored(std::string(policy), GetParam());
      config.positions = positions;
      Talk small(config, test::wide_model());
      config.type = StorageType::f16;
      Talk halves(config, test::wide_model());
      EXPECT_EQ(small.read(random_tokens(150, 1)), halves.read(random_tokens(150, 1)));
      for (size_t l = 0; l < 3; ++l)
        expect_quantised(small.cache().layers[l], halves.cache().layers[l], 0);
    }
  }
}

// Rows of the first layer depend on their token alone, so that later turns can be compared too.
TEST_P(Storage, RowsOfLaterTurnsAreTheHalvesQuantised) {
  Talk small(stored("full", GetParam()), test::wide_model());
  Talk halves(stored("full", StorageType::f16), test::wide_model());
  for (const int64_t n : {100, 70, 3}) {
    small.read(random_tokens(n, 1));
    halves.read(random_tokens(n, 1));
  }
  expect_quantised(small.cache().layers[0], halves.cache().layers[0], 0);
}

// Decoded rows go from f32 straight to the type: a step of the quantiser at most from the halves'.
TEST_P(Storage, DecodedRowsAreWithinOneStep) {
  Talk small(stored("full", GetParam()), test::wide_model());
  Talk halves(stored("full", StorageType::f16), test::wide_model());
  for (Talk* talk : {&small, &halves}) {
    talk->read(random_tokens(100, 1));
    for (int32_t i = 0; i < 20; ++i)
      talk->decode(i);
  }
  const LayerCache &layer = small.cache().layers[0], &other = halves.cache().layers[0];
  const double step = GetParam() == StorageType::q8_0 ? 1.0 / 127 : 1.0 / 7;
  for (int32_t h = 0; h < layer.n_head(); ++h) {
    for (int32_t i = 100; i < 120; ++i) {
      const auto a = test::floats_of(layer, layer.v_row(h, i));
      const auto b = test::floats_of(other, other.v_row(h, i));
      float largest = 0;
      for (const float x : b)
        largest = std::max(largest, std::abs(x));
      for (size_t c = 0; c < a.size(); ++c)
        EXPECT_NEAR(a[c], b[c], step * largest);
    }
  }
}

TEST_P(Storage, SurvivorsAreCopiedAsTheyAre) {
  for (const auto* policy : {"snapkv", "rest-kv", "h2o", "streaming-llm", "adakv", "random"}) {
    for (const auto kind : {Schedule::Kind::decode, Schedule::Kind::turn, Schedule::Kind::chunk}) {
      for (const auto granularity : {Granularity::kv_head, Granularity::query_head}) {
        SCOPED_TRACE(testing::Message() << policy << " schedule " << int(kind));
        CacheConfig config = stored(policy, GetParam());
        config.schedule = Schedule{kind, 3};
        config.selection.granularity = granularity;
        Talk talk(config, test::wide_model());
        talk.read(random_tokens(100, 1));
        for (int32_t i = 0; i < 12; ++i) {
          const KvCache before = test::copy_of(talk.cache());
          i % 4 == 3 ? talk.read(random_tokens(10, 2)) : talk.decode(i);
          test::expect_survivors_unchanged(before, talk.cache());
        }
        ASSERT_FALSE(HasFatalFailure());
      }
    }
  }
}

// What the cache says is what is read: against plain loops over the stored rows. While decoding
// ggml quantises the query as well, to 8 bits: 3 % of the logits after three layers; a turn's own
// rows are quantised when it has been read.
TEST_P(Storage, DecodingAndExtendingReadTheStoredRows) {
  for (const auto* policy : {"snapkv", "adakv"}) {
    for (const auto positions : {KeyPositions::original, KeyPositions::cache}) {
      SCOPED_TRACE(policy);
      CacheConfig config = stored(policy, GetParam());
      config.positions = positions;
      Talk talk(config, test::wide_model());
      talk.read(random_tokens(150, 1));
      for (const int32_t token : random_tokens(10, 2)) {
        test::PlainDecoder plain(*talk.model, talk.cache(), positions == KeyPositions::cache,
                                 GetParam());
        EXPECT_LT(relative_error(talk.decode(token), plain.decode(token)), 5e-2);
      }
      test::PlainDecoder plain(*talk.model, talk.cache(), positions == KeyPositions::cache);
      const auto tokens = random_tokens(70, 3);
      std::vector<float> expected;
      for (const int32_t token : tokens)
        expected = plain.decode(token);
      EXPECT_LT(relative_error(talk.read(tokens), expected), 2e-3);
    }
  }
}

TEST_P(Storage, BytesAreAsTheTypeSays) {
  Talk talk(stored("snapkv", GetParam()), test::wide_model());
  talk.read(random_tokens(100, 1));
  const size_t row = GetParam() == StorageType::q8_0 ? 34 : 18;
  EXPECT_EQ(talk.cache().used_bytes(), 2 * row * 48 * 2 * 3);
  EXPECT_EQ(talk.session->meter().current_bytes(), talk.cache().used_bytes());
}

TEST_P(Storage, HeadsThatAreNoWholeBlocksAreRefused) {
  auto compute = test::make_compute();
  const auto session = Session::create(*test::tiny_model(), *compute, stored("snapkv", GetParam()));
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().kind(), ErrorKind::usage);
  EXPECT_NE(session.status().message().find("--kv-type"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Types, Storage, ::testing::Values(StorageType::q8_0, StorageType::q4_0),
                         [](const auto& info) { return std::string(storage_name(info.param)); });

}  // namespace
}  // namespace restkv
