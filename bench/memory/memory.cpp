#include "bench/memory/memory.h"

#include <cstring>

#include "bench/memory/watch.h"

namespace restkv::bench {
namespace {

constexpr int64_t kShort = 64;

struct Header {
  int64_t entries, planned, kv_peak_bytes, kv_bytes, kv_layer_bytes, kv_full_bytes, as_planned;
};

Result<ReaderReport> unpack(const std::string& packed) {
  Header h{};
  if (packed.size() < sizeof h || (packed.size() - sizeof h) % sizeof(float) != 0) {
    return Status::runtime("the process whose memory was watched reports nothing");
  }
  std::memcpy(&h, packed.data(), sizeof h);
  ReaderReport report{h.entries,        h.planned,       h.kv_peak_bytes,  h.kv_bytes,
                      h.kv_layer_bytes, h.kv_full_bytes, h.as_planned != 0};
  report.logits.resize((packed.size() - sizeof h) / sizeof(float));
  std::memcpy(report.logits.data(), packed.data() + sizeof h, packed.size() - sizeof h);
  return report;
}

struct Taken {
  double bytes = 0;
  ReaderReport report;
};

Result<Taken> take(const MemoryScenario& scenario, Reader reader, const std::string& policy,
                   int64_t n) {
  if (scenario.on_step) {
    scenario.on_step("memory of " + (reader == Reader::restkv ? policy : "libllama") + ", " +
                     std::to_string(n) + " tokens");
  }
  RESTKV_ASSIGN_OR_RETURN(const Watched watched,
                          run_watched(scenario.arguments(reader, policy, n)));
  Taken taken{static_cast<double>(watched.anonymous_peak_bytes), {}};
  RESTKV_ASSIGN_OR_RETURN(taken.report, unpack(watched.output));
  return taken;
}

Result<MemoryRow> measure(const MemoryScenario& scenario, const std::string& policy, int64_t n) {
  MemoryRow row{.policy = policy, .prompt_tokens = n};
  std::vector<double> ours, theirs;
  for (int r = 0; r < scenario.n_repeat; ++r) {
    RESTKV_ASSIGN_OR_RETURN(Taken our, take(scenario, Reader::restkv, policy, n));
    RESTKV_ASSIGN_OR_RETURN(const Taken their, take(scenario, Reader::libllama, policy, n));
    ours.push_back(our.bytes);
    theirs.push_back(their.bytes);
    if (our.report.logits.size() != their.report.logits.size()) {
      return Status::runtime("restkv and libllama disagree on the size of the vocabulary");
    }
    row.agreement = compare_logits(their.report.logits, our.report.logits);
    row.report = std::move(our.report);
  }
  RESTKV_ASSIGN_OR_RETURN(const Taken short_ours, take(scenario, Reader::restkv, policy, kShort));
  RESTKV_ASSIGN_OR_RETURN(const Taken short_theirs,
                          take(scenario, Reader::libllama, policy, kShort));
  row.restkv = spread_of(ours);
  row.libllama = spread_of(theirs);
  row.ratio = ratio_of(ours, theirs);
  row.restkv_short = short_ours.bytes;
  row.libllama_short = short_theirs.bytes;
  row.counts = row.agreement.ok() && row.report.as_planned;
  return row;
}

}  // namespace

std::string pack(const ReaderReport& r) {
  const Header header{r.entries,        r.planned,       r.kv_peak_bytes,     r.kv_bytes,
                      r.kv_layer_bytes, r.kv_full_bytes, r.as_planned ? 1 : 0};
  std::string packed(sizeof header + r.logits.size() * sizeof(float), '\0');
  std::memcpy(packed.data(), &header, sizeof header);
  std::memcpy(packed.data() + sizeof header, r.logits.data(), r.logits.size() * sizeof(float));
  return packed;
}

Result<std::vector<MemoryRow>> run_memory(const MemoryScenario& scenario) {
  std::vector<MemoryRow> rows;
  for (const int64_t n : scenario.prompt_tokens) {
    for (const std::string& policy : scenario.policies) {
      RESTKV_ASSIGN_OR_RETURN(rows.emplace_back(), measure(scenario, policy, n));
    }
  }
  return rows;
}

}  // namespace restkv::bench
