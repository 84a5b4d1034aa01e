// Calls into libllama that may throw, or that recurse as deep as the user's text is long.
#pragma once

#include <cstddef>
#include <functional>

#include "restkv/status.h"

namespace restkv {

// Runs `work`, which tokenizes `text_bytes` of text, and waits for it. libllama splits text with
// std::regex, which for some pre-tokenizers recurses once a character of a run (of letters, spaces
// or signs): 40,000 of them overflow a stack of 8 MiB. A long text therefore gets a thread with a
// stack in proportion.
// Errors: model, with the exception's text, when `work` throws (a SentencePiece vocabulary lacks a
// byte that the text needs); capacity, when there is no memory for the stack or for `work`.
Status run_for_text(size_t text_bytes, const std::function<void()>& work);

}  // namespace restkv
