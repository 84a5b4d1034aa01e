// Texts that packages of the system have brought: what is taken where the user names none.
#pragma once

#include <optional>
#include <string>

namespace restkv {

enum class SystemFile {
  prose,    // Newton's Opticks, 1730: test data of Go's compressors (Debian: golang-src)
  wordnet,  // WordNet's folder of index files (Debian: wordnet-base)
};

// Of several versions the one whose path sorts last.
std::optional<std::string> find_system_file(SystemFile file);

}  // namespace restkv
