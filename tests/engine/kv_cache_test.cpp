#include "cache/kv_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

namespace restkv {
namespace {

constexpr int32_t kDim = 8;

// Rows whose every half-word tells the row.
std::vector<uint16_t> numbered_rows(int32_t n) {
  std::vector<uint16_t> rows(n * kDim);
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<uint16_t>(i / kDim);
  return rows;
}

uint16_t row_number(const std::byte* row) {
  uint16_t number;
  std::memcpy(&number, row, sizeof number);
  return number;
}

class KvCacheTest : public ::testing::Test {
 protected:
  // Head 0 keeps 3 entries, head 1 keeps 1.
  LayerCache ragged() {
    const std::vector<int32_t> capacity{3, 1};
    LayerCache layer = std::move(*LayerCache::allocate(capacity, kDim, StorageType::f16, meter_));
    const std::vector<uint16_t> rows = numbered_rows(10);
    const RowsView view{rows.data(), ElementType::f16, 10, kDim, kDim};
    const std::vector<int32_t> first{1, 4, 9}, second{7};
    layer.append_rows(0, view, view, first, first);
    layer.append_rows(1, view, view, second, second);
    return layer;
  }
  std::shared_ptr<KvMeter> meter_ = std::make_shared<KvMeter>();
};

TEST_F(KvCacheTest, KeepsRowsAndOriginalPositions) {
  const LayerCache layer = ragged();
  EXPECT_FALSE(layer.is_uniform());
  EXPECT_EQ(layer.count(0), 3);
  EXPECT_EQ(layer.count(1), 1);
  EXPECT_EQ(row_number(layer.k_row(0, 1)), 4);
  EXPECT_EQ(row_number(layer.v_row(1, 0)), 7);
  EXPECT_EQ(std::vector<int32_t>(layer.positions(0).begin(), layer.positions(0).end()),
            (std::vector<int32_t>{1, 4, 9}));
  EXPECT_EQ(layer.used_bytes(), 4u * kDim * 2 * 2);
}

TEST_F(KvCacheTest, GrowsWithoutLosingAnything) {
  LayerCache layer = ragged();
  EXPECT_FALSE(layer.has_room());
  ASSERT_TRUE(layer.reserve(5, meter_).ok());
  EXPECT_TRUE(layer.has_room());
  EXPECT_EQ(layer.capacity(0), 8);
  EXPECT_EQ(layer.capacity(1), 6);
  EXPECT_EQ(row_number(layer.k_row(0, 2)), 9);
  EXPECT_EQ(row_number(layer.k_row(1, 0)), 7);
  layer.append_position(500);
  EXPECT_EQ(layer.positions(0)[3], 500);
  EXPECT_EQ(layer.positions(1)[1], 500);
  layer.drop_last();
  EXPECT_EQ(layer.count(0), 3);
}

TEST_F(KvCacheTest, MeterCountsWhatIsHeldAndThePeak) {
  {
    LayerCache layer = ragged();
    EXPECT_EQ(meter_->current_bytes(), 4u * kDim * 2 * 2);
    ASSERT_TRUE(layer.reserve(5, meter_).ok());
    EXPECT_EQ(meter_->current_bytes(), 14u * kDim * 2 * 2);
    EXPECT_EQ(meter_->peak_bytes(), 18u * kDim * 2 * 2);
  }
  EXPECT_EQ(meter_->current_bytes(), 0u);
}

TEST_F(KvCacheTest, RefusesMemoryThatDoesNotExist) {
  const auto buffer = KvBuffer::allocate(size_t{1} << 62, meter_);
  ASSERT_FALSE(buffer.ok());
  EXPECT_EQ(buffer.status().kind(), ErrorKind::capacity);
  EXPECT_EQ(meter_->current_bytes(), 0u);
}

}  // namespace
}  // namespace restkv
