// Check of the tokenizer's metadata before libllama loads it (`vocab_only`). Most malformed
// vocabularies make libllama return an error; the ones below make it end the process instead.
#pragma once

#include "restkv/status.h"

struct gguf_context;

namespace restkv {

// REQUIRES: read_hparams() accepted the file. Refuses, naming the key, its value and what is
// allowed:
// - tokenizers other than SentencePiece ("llama") and byte-level BPE ("gpt2"): the supported
//   families use no other;
// - a BPE pre-tokenizer that works on raw text, which libllama only pairs with other tokenizers;
// - two tokens with the same text;
// - beginning- and end-of-text tokens outside the vocabulary.
// libllama still throws from llama_tokenize() when a SentencePiece vocabulary lacks a byte that the
// text needs: catch std::exception around it.
Status check_vocab(const gguf_context* gguf);

}  // namespace restkv
