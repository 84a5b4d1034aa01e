// Every policy with every split, granularity, schedule, key position, storage type and length:
// what is kept is what the splits say, and what cannot work is refused with a reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/engine/count_model.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::random_tokens;
using test::Talk;

using Random = std::mt19937;
int64_t draw(Random* random, int64_t first, int64_t last) {
  return first + static_cast<int64_t>((*random)() % (last - first + 1));
}

LayerBudget draw_layers(Random* random, int64_t budget) {
  LayerBudget split;
  split.kind = static_cast<LayerBudget::Kind>(draw(random, 0, 2));
  split.pyramid_beta = 5;
  if (split.kind == LayerBudget::Kind::table) split.table = {budget + 10, budget - 8, budget};
  return split;
}

HeadBudget draw_heads(Random* random, int64_t budget) {
  HeadBudget split;
  split.kind = static_cast<HeadBudget::Kind>(draw(random, 0, 2));
  split.normalise = draw(random, 0, 1) == 1;
  if (split.kind != HeadBudget::Kind::table) return split;
  for (int64_t l = 0; l < 3; ++l)
    split.table.push_back({budget - 8, budget - 16, budget + 4, budget - 10 + l});
  return split;
}

Schedule draw_schedule(Random* random) {
  constexpr Schedule kSchedules[] = {{Schedule::Kind::prompt},    {Schedule::Kind::turn},
                                     {Schedule::Kind::decode, 1}, {Schedule::Kind::decode, 5},
                                     {Schedule::Kind::chunk, 7},  {Schedule::Kind::chunk, 40}};
  return kSchedules[draw(random, 0, 5)];
}

Protection draw_protection(Random* random) {
  Protection protection;
  if (draw(random, 0, 1) == 0) protection.n_sink = draw(random, 1, 3);
  if (draw(random, 0, 1) == 0) {
    const int64_t begin = draw(random, 0, 60);
    protection.pins = {{begin, begin + 3}, {begin + 1, begin + 4}, {200, 202}};
  }
  return protection;
}

// Budgets that hold everything, so that nothing but a combination can be refused.
CacheConfig draw_config(const std::string& policy, Random* random) {
  CacheConfig config = cache_config(policy, draw(random, 40, 60));
  if (draw(random, 0, 1) == 0) config.selection.granularity = Granularity::query_head;
  config.selection.vote = static_cast<GroupVote>(draw(random, 0, 3));
  config.layer_budget = draw_layers(random, config.budget);
  config.head_budget = draw_heads(random, config.budget);
  config.schedule = draw_schedule(random);
  config.positions = static_cast<KeyPositions>(draw(random, 0, 1));
  config.type = static_cast<StorageType>(draw(random, 0, 2));
  config.strict = draw(random, 0, 2) == 0;
  config.protection = draw_protection(random);
  return config;
}

std::string describe(const CacheConfig& c) {
  const auto number = [](auto kind) { return std::to_string(static_cast<int>(kind)); };
  return c.policy.name + " budget " + std::to_string(c.budget) + " granularity " +
         number(c.selection.granularity) + " vote " + number(c.selection.vote) + " layers " +
         number(c.layer_budget->kind) + " heads " + number(c.head_budget->kind) + " schedule " +
         number(c.schedule->kind) + ":" + std::to_string(c.schedule->every) + " positions " +
         number(*c.positions) + " type " + number(c.type) + " strict " + number(c.strict) +
         " sinks " + std::to_string(c.protection.n_sink) + " pins " +
         std::to_string(c.protection.pins.empty() ? -1 : c.protection.pins[0].begin);
}

// One selection for all heads leaves nothing to split between them.
bool must_be_refused(const CacheConfig& config) {
  const PolicyTraits traits = (*make_policy(config.policy))->traits();
  const bool one_for_all = traits.position_only || traits.vote == VotePoint::layer;
  return !traits.keeps_all && one_for_all && config.head_budget->kind != HeadBudget::Kind::uniform;
}

// Bytes of a row of 32 numbers.
size_t row_bytes(StorageType type) {
  if (type == StorageType::f16) return 64;
  return type == StorageType::q8_0 ? 34 : 18;
}

void check_bytes(const KvCache& cache, StorageType type) {
  size_t n_entry = 0, n_room = 0;
  for (const LayerCache& layer : cache.layers) {
    for (int32_t h = 0; h < layer.n_head(); ++h) {
      n_entry += layer.count(h);
      n_room += layer.capacity(h);
    }
  }
  EXPECT_EQ(cache.used_bytes(), 2 * n_entry * row_bytes(type));
  EXPECT_EQ(cache.meter->current_bytes(), 2 * n_room * row_bytes(type));
}

// Ascending positions that were read, each once; what is protected is among them.
void check_positions(const CachePlan& plan, const LayerCache& layer, int32_t n_seen) {
  for (int32_t h = 0; h < layer.n_head(); ++h) {
    const auto positions = layer.positions(h);
    ASSERT_FALSE(positions.empty());
    EXPECT_TRUE(std::ranges::adjacent_find(positions, std::greater_equal<>{}) == positions.end());
    EXPECT_TRUE(positions.front() >= 0 && positions.back() < n_seen);
    for (int32_t p = 0; p < n_seen; ++p) {
      const bool stays = p < plan.n_sink() || plan.config.protection.holds(p) ||
                         p >= n_seen - plan.protected_window() || plan.traits.keeps_all;
      if (stays && test::find_entry(layer, h, p) < 0) FAIL() << "position " << p << " is lost";
    }
  }
}

// A conversation that follows the model of its counts at every step.
class Conversation {
 public:
  Conversation(const CacheConfig& config, Random* random)
      : talk_(config, test::wide_model()),
        plan_(talk_.session->plan()),
        counts_(plan_, talk_.model->hparams()),
        random_(random) {}

  void go() {
    read(draw(random_, 1, 150));
    for (int turn = 0; turn < 2 && !::testing::Test::HasFailure(); ++turn) {
      for (int64_t i = draw(random_, 1, 12); i > 0; --i)
        decode();
      read(draw(random_, 1, 70));
    }
  }

 private:
  void read(int64_t n) {
    talk_.read(random_tokens(n, static_cast<uint32_t>(draw(random_, 0, 1000))));
    counts_.read(n);
    check();
  }

  void decode() {
    talk_.decode(static_cast<int32_t>(draw(random_, 0, 255)));
    counts_.decode();
    check();
  }

  void check() {
    counts_.check(talk_.cache());
    check_bytes(talk_.cache(), plan_.config.type);
    for (const LayerCache& layer : talk_.cache().layers)
      check_positions(plan_, layer, talk_.cache().next_position);
  }

  Talk talk_;
  const CachePlan& plan_;
  test::CountModel counts_;
  Random* random_;
};

class Combination : public ::testing::TestWithParam<std::string> {};

TEST_P(Combination, WorksOrIsRefusedWithAReason) {
  auto compute = test::make_compute();
  for (uint32_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    const CacheConfig config = draw_config(GetParam(), &random);
    SCOPED_TRACE(testing::Message() << "seed " << seed << ": " << describe(config));
    const auto session = Session::create(*test::wide_model(), *compute, config);
    ASSERT_EQ(session.ok(), !must_be_refused(config)) << session.status().message();
    if (session.ok()) {
      Conversation(config, &random).go();
    } else {
      EXPECT_EQ(session.status().kind(), ErrorKind::usage);
      EXPECT_NE(session.status().message().find("--kv-head-budget"), std::string::npos);
    }
    if (HasFailure()) return;
  }
}

std::vector<std::string> all_policies() {
  const auto names = policy_names();
  return {names.begin(), names.end()};
}

INSTANTIATE_TEST_SUITE_P(Policies, Combination, ::testing::ValuesIn(all_policies()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace restkv
