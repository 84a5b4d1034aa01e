// Samples made of running text: pieces of a text with what follows them, and other text in front of
// samples that would be too short for an eviction.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "restkv/status.h"
#include "tasks/source.h"

namespace restkv {

struct TextPieces {
  std::string text;
  int64_t n = 1;         // pieces
  int64_t n_prompt = 0;  // tokens of a prompt
  int64_t n_score = 0;   // tokens that follow
  TextTokens tokens;
};

// n pieces, evenly spread over the text; they overlap where it is short. Fields of a sample:
// "target" (what follows). Pieces are cut between tokens; read again, a cut text may have some
// tokens more or less. Errors: usage (numbers below 1), model (a text shorter than a piece).
Result<std::unique_ptr<SampleSource>> text_pieces(const TextPieces& options);

// Every sample of `source` with n_token tokens of other text and an empty line in front, of another
// place of the text for every sample. It is repeated where it is short.
// Errors: usage (a negative number), model (an empty text).
Result<std::unique_ptr<SampleSource>> padded(std::unique_ptr<SampleSource> source,
                                             const std::string& text, int64_t n_token,
                                             const TextTokens& tokens);

}  // namespace restkv
