// Models for tests of the default kernels: what these choose their path by, and a decoded step.
#pragma once

#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "tests/engine/sequences.h"

namespace restkv::test {

struct AutomaticModel {
  std::string name;
  TinyShape shape;
};
inline void PrintTo(const AutomaticModel& model, std::ostream* out) {
  *out << model.name;
}

// Every weight type, alone and mixed; families; groups of 1, 2, 4; rows that are no whole blocks.
const std::vector<AutomaticModel>& automatic_models();
const AutomaticModel& automatic_model(const std::string& name);

// One and the same model twice: as users load it, and in floats for ggml's kernels. What ggml makes
// of the quantised file is no better an approximation than ours: it rounds activations to 8 bits.
struct Pair {
  std::shared_ptr<const Model> own, floats;
};
// Loaded once for the process.
const Pair& load_pair(const AutomaticModel& model);

// One side of a comparison.
struct Side {
  std::shared_ptr<const Model> model;
  std::unique_ptr<Compute> compute;

  // Logits of all tokens, [n][n_vocab].
  std::vector<float> read(std::span<const int32_t> tokens, Sequence* sequence,
                          const PrefillAttention& attention = {},
                          sparse::BlockCount* blocks = nullptr) const;
  // Logits of all slots, [n][n_vocab].
  std::vector<float> step(std::span<const DecodeSlot> slots) const;
};
Side own_side(const Pair& pair, int n_threads = 1);
Side float_side(const Pair& pair);

// The worst row's |a - b| / |b|.
double worst_row_error(std::span<const float> a, std::span<const float> b, int64_t n_row);

}  // namespace restkv::test
