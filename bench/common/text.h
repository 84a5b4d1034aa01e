// Prompts of a wanted length.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/tokenizer.h"

namespace restkv::bench {

// The ledger of a harbour, page by page: plain English sentences that do not repeat. Used where no
// text is given. Deterministic.
std::string ledger_page(int64_t page);

// Exactly n tokens of the source, again and again where it is too short, each time under another
// number; an empty source means the ledger. Errors: as Tokenizer::tokenize().
Result<std::vector<int32_t>> prompt_of(const Tokenizer& tokenizer, const std::string& source,
                                       int64_t n);

}  // namespace restkv::bench
