// The --prefill flags: which blocks of a prompt's attention are computed.
#pragma once

#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "restkv/options.h"
#include "restkv/status.h"
#include "sparse/block_mask.h"

namespace restkv::cli {

struct PrefillFlags {
  std::string kind = "dense";
  PrefillAttention attention;
};
void add_prefill_flags(CLI::App& app, PrefillFlags& flags);
// The flags without the choice of a method, for commands that try several.
void add_prefill_numbers(CLI::App& app, PrefillAttention& attention);
// Error: usage (a value that is not one of the allowed, or kernels that cannot leave blocks out).
Result<PrefillAttention> prefill_attention(const PrefillFlags& flags, Kernels kernels);
// The method of that name, everything else as it is. Error: usage.
Result<PrefillAttention> with_kind(const PrefillAttention& attention, const std::string& kind);

// The "prefill_attention" object of JSON output.
nlohmann::ordered_json describe(const PrefillAttention& attention,
                                const sparse::BlockCount& blocks);

}  // namespace restkv::cli
