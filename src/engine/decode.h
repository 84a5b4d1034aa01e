// One decode step for a batch of sequences, each over its own ragged cache. The weights are read
// once for all of them. Sequences whose schedule counts decoded tokens are cut when it is time.
#pragma once

#include <span>
#include <vector>

#include "engine/compute.h"
#include "engine/sequence.h"
#include "model/model.h"

namespace restkv {

struct DecodeSlot {
  Sequence* sequence;
  int32_t token;
};

// Appends each slot's token to its sequence and yields the logits of what follows,
// [n_slot][n_vocab]. REQUIRES: no sequence twice. On an error before a cut no sequence has changed;
// a cut that fails leaves its sequence broken.
// Errors: usage (a sequence without a prompt), capacity (memory), runtime (cancelled, a broken
// sequence), model (logits that are no numbers).
Status decode(const Model& model, Compute& compute, std::span<const DecodeSlot> slots,
              std::vector<float>* logits);

}  // namespace restkv
