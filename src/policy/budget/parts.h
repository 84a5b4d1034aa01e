// The pieces of split_layers() and split_heads(), a file each.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "restkv/budget.h"

namespace restkv {

// Past entries of a head of each layer, forced ones included, [n_layer]. Unchecked: they may not
// hold the forced ones, or be below 0.
Result<std::vector<int64_t>> uniform_layers(const LayerSplit& args);
Result<std::vector<int64_t>> pyramid_layers(double beta, const LayerSplit& args);
Result<std::vector<int64_t>> table_layers(std::span<const int64_t> table, const LayerSplit& args);

// Past entries of each head, forced ones included; may exceed what a head has.
std::vector<int64_t> uniform_heads(int64_t n_head, int64_t n_keep);
Result<std::vector<int64_t>> ada_heads(const HeadBudget& split, std::span<const HeadScores> heads,
                                       int64_t n_keep);
Result<std::vector<int64_t>> table_heads(const HeadBudget& split, int64_t n_head, int32_t layer);

// Lowers the largest shares one by one, the lowest index first among equals, until the sum is at
// most `limit`. REQUIRES: limit >= 0.
void trim_largest(std::vector<int64_t>* shares, int64_t limit);

}  // namespace restkv
