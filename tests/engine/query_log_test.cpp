// The query log against a plain list of rows.
#include "engine/query_log.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace restkv {
namespace {

constexpr int64_t kHead = 3, kDim = 2;

// Every query ever committed, by its number; nothing is ever dropped.
struct PlainLog {
  std::deque<float> rows;
  int64_t n_since = 0;
};

float value_of(float number, int64_t head, int64_t column) {
  return number * 10 + static_cast<float>(head * kDim + column);
}

class Pair {
 public:
  Pair(int64_t n_last, bool all_since)
      : log_(kHead, kDim, n_last, all_since), n_last_(n_last), all_since_(all_since) {}

  // Writes n queries; only those that are committed count.
  void write(int64_t n, bool commits) {
    log_.make_room(n);
    for (int64_t i = log_.first_kept(n); i < n; ++i)
      fill(log_.slot(i), next_ + static_cast<float>(i));
    if (!commits) return;
    log_.commit(n);
    for (int64_t i = 0; i < n; ++i)
      plain_.rows.push_back(next_ + static_cast<float>(i));
    plain_.n_since += n;
    next_ += static_cast<float>(n);
  }

  void mark() {
    log_.mark();
    plain_.n_since = 0;
  }

  // A log of this kind goes on from here, as one does after a first prompt.
  Pair adopted(int64_t n_last, bool all_since, bool cut) const {
    Pair to(n_last, all_since);
    cut ? to.log_.adopt_last(log_) : to.log_.adopt(log_);
    to.plain_ = plain_;
    if (cut) to.plain_.n_since = 0;
    to.next_ = next_;
    return to;
  }

  void check() const {
    EXPECT_EQ(log_.n_since(), plain_.n_since);
    const auto n_read = static_cast<int64_t>(plain_.rows.size());
    const int64_t wanted = std::min(std::max(n_last_, all_since_ ? plain_.n_since : 0), n_read);
    const QueryRows rows = log_.rows();
    ASSERT_GE(rows.n_query, wanted);
    for (int64_t i = 1; i <= wanted; ++i) {
      const float number = plain_.rows[n_read - i];
      for (int64_t h = 0; h < kHead; ++h)
        ASSERT_EQ(rows.row(h, rows.n_query - i)[1], value_of(number, h, 1)) << i << " from the end";
    }
  }

  const QueryLog& log() const { return log_; }

 private:
  void fill(float* slot, float number) const {
    for (int64_t h = 0; h < kHead; ++h) {
      for (int64_t c = 0; c < kDim; ++c)
        slot[h * log_.head_stride() + c] = value_of(number, h, c);
    }
  }

  QueryLog log_;
  int64_t n_last_;
  bool all_since_;
  PlainLog plain_;
  float next_ = 0;
};

void run_random(uint32_t seed, int64_t n_last, bool all_since) {
  std::mt19937 random(seed);
  Pair pair(n_last, all_since);
  for (int step = 0; step < 200; ++step) {
    const auto what = random() % 10;
    if (what == 0) {
      pair.mark();
    } else {
      const bool one = what < 7;
      pair.write(one ? 1 : 1 + static_cast<int64_t>(random() % 40), random() % 8 != 0);
    }
    pair.check();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(QueryLog, KeepsWhatAPlainListKeeps) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    for (const int64_t n_last : {0, 1, 8, 33}) {
      for (const bool all_since : {false, true}) {
        if (n_last == 0 && !all_since) continue;
        SCOPED_TRACE(testing::Message() << seed << ", last " << n_last << ", all " << all_since);
        run_random(seed, n_last, all_since);
        ASSERT_FALSE(HasFatalFailure());
      }
    }
  }
}

TEST(QueryLog, GoesOnFromAnother) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Pair first(40, random() % 2 == 0);
    first.write(1 + static_cast<int64_t>(random() % 60), true);
    const bool all = first.log().keeps_all_since() && random() % 2 == 0;
    Pair next = first.adopted(1 + static_cast<int64_t>(random() % 40), all, random() % 2 == 0);
    next.check();
    for (int step = 0; step < 20; ++step) {
      next.write(1 + static_cast<int64_t>(random() % 5), random() % 4 != 0);
      next.check();
    }
    ASSERT_FALSE(HasFatalFailure());
  }
}

TEST(QueryLog, DoesNotGrowWhileDecoding) {
  Pair pair(32, false);
  pair.write(500, true);
  pair.write(1, true);
  const int64_t stride = pair.log().head_stride();
  for (int step = 0; step < 1000; ++step)
    pair.write(1, true);
  EXPECT_EQ(pair.log().head_stride(), stride);
  EXPECT_LE(stride, (32 + 32 + 1) * kDim);
}

TEST(QueryLog, CountsQueriesThatItDoesNotKeep) {
  QueryLog none;
  EXPECT_FALSE(none.keeps_any());
  none.commit(7);
  EXPECT_EQ(none.n_since(), 7);
  EXPECT_EQ(none.rows().n_query, 0);
}

}  // namespace
}  // namespace restkv
