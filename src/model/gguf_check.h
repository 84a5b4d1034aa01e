// Structural check of a GGUF file before ggml or libllama opens it. Their readers assert, or
// allocate what the file asks for, on some malformed files; a user's file must never end the
// process.
//
// The file is mapped read-only and only its header, metadata and tensor list are touched: time and
// memory are linear in the size of that region, whatever the counts inside it claim.
#pragma once

#include <string>
#include <string_view>

#include "restkv/status.h"

namespace restkv {

// Ok when `path` is a regular file that ggml's GGUF reader takes as it is: version 2 or 3, little
// endian, unique keys and tensor names, known types, positive dimensions whose product fits, rows
// that are whole blocks, and tensor data that is aligned, gapless and inside the file.
// Errors (ErrorKind::model) name the file, the key or tensor, its value, and what is allowed.
// Thread safety: safe to call concurrently.
Status check_gguf_file(const std::string& path);

// Text from a file as it may stand in a one-line message: control and non-ASCII bytes become '?',
// anything longer than 64 bytes is cut with "...".
std::string printable(std::string_view text);

}  // namespace restkv
