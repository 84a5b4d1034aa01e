#include <cstdio>
#include <memory>

#include "bench/kernels/kernels.h"
#include "cli/bench.h"
#include "cli/bench_report.h"
#include "cli/runtime.h"

namespace restkv::cli {
namespace {

struct KernelFlags {
  BenchFlags bench;
  std::string filter;
};

constexpr Column kColumns[] = {
    {"kernel", "/kernel"},
    {"shape", "/shape"},
    {"variant", "/variant"},
    {"threads", "/threads"},
    {"GFLOP/s", "/gflops"},
    {"GB/s", "/gb_per_second"},
    {"G values/s", "/gvalues_per_second"},
    {"of the peak, %", "/share", 0, 100.0},
    {"to the plain loop", "/to_ref"},
    {"difference", "/difference", 7},
    {"counts", "/counts"},
};

const char* name_of(bench::Bound bound) {
  switch (bound) {
    case bench::Bound::f32:
      return "f32";
    case bench::Bound::f64:
      return "f64";
    case bench::Bound::bf16:
      return "bf16";
    case bench::Bound::amx:
      return "amx";
    case bench::Bound::int8:
      return "int8";
    case bench::Bound::memory:
      return "memory";
    case bench::Bound::values:
      return "values";
  }
  return "?";
}

const char* rate_name(bench::Bound bound) {
  if (bound == bench::Bound::memory) return "gb_per_second";
  return bound == bench::Bound::values ? "gvalues_per_second" : "gflops";
}

Json to_row(const bench::KernelRow& r) {
  Json row{{"kernel", r.kernel},        {"shape", r.shape},
           {"variant", r.variant},      {"threads", r.n_threads},
           {"bound", name_of(r.bound)}, {rate_name(r.bound), to_json(r.rate)}};
  if (r.operations.median > 0) row["gflops"] = to_json(r.operations);
  if (r.share > 0) row["share"] = r.share;
  row["to_ref"] = to_json(r.to_ref);
  row["difference"] = r.difference;
  row["counts"] = r.counts;
  return row;
}

std::string describe(const bench::MachinePeaks& p) {
  char text[256];
  std::snprintf(
      text, sizeof text,
      "Peaks: %.0f GFLOP/s f32, %.0f bf16, %.0f bf16 by AMX, %.0f GOP/s int8 of one thread; "
      "reading %.1f GB/s with one thread, %.1f with %d.",
      p.f32, p.bf16, p.amx, p.int8, p.read_1, p.read_n, p.n_threads);
  return text;
}

Status run(const KernelFlags& f) {
  RESTKV_RETURN_IF_ERROR(check_repeat(f.bench));
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.bench.model));
  Json document = begin_document("kernels", f.bench);
  ProgressLine progress;
  progress.show("the machine's peaks");
  const bench::MachinePeaks peaks = bench::measure_peaks(engine.n_threads);
  document["peaks"] = {{"f32", peaks.f32},          {"bf16", peaks.bf16},
                       {"amx", peaks.amx},          {"int8", peaks.int8},
                       {"read_1", peaks.read_1},    {"read_n", peaks.read_n},
                       {"threads", peaks.n_threads}};
  document["notes"] = Json::array({describe(peaks)});
  const auto rows =
      bench::run_kernels({.filter = f.filter,
                          .n_threads = engine.n_threads,
                          .n_repeat = f.bench.n_repeat,
                          .on_step = [&](const std::string& what) { progress.show(what); }},
                         peaks);
  progress.clear();
  if (rows.empty())
    return Status::usage("--kernel is \"" + f.filter + "\", no kernel's name has that");
  for (const bench::KernelRow& row : rows)
    document["rows"].push_back(to_row(row));
  return print_report(document, kColumns, f.bench.json);
}

}  // namespace

void register_bench_kernels(CLI::App& bench, int* exit_code) {
  CLI::App* command =
      bench.add_subcommand("kernels", "every kernel and variant beside the machine's peaks");
  auto flags = std::make_shared<KernelFlags>();
  add_flag_value(*command, "-t,--threads", flags->bench.model.n_threads,
                 "threads, 0: one for each core");
  command->add_option("--kernel", flags->filter, "only those with this in their name");
  add_report_flags(*command, flags->bench);
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
