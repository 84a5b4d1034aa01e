// Memory that the C library keeps after it was freed.
#pragma once

namespace restkv {

// Gives it back to the system. To be called after work that freed tens of megabytes in small
// pieces: read a vocabulary, tokenized a book. Takes milliseconds; nothing where the C library has
// no such call.
void return_freed_memory();

}  // namespace restkv
