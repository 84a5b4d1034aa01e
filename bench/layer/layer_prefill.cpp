#include "bench/layer/layer_prefill.h"

#include <algorithm>
#include <numeric>

#include "engine/prefill.h"

namespace restkv::bench {
namespace {

// Long enough that the engine divides it into chunks as it does a long prompt.
constexpr int64_t kPiece = 2048;

struct Point {
  int64_t depth;
  double ms;
};

void keep_first(int64_t n, Sequence* sequence) {
  std::vector<int32_t> entries(n);
  std::iota(entries.begin(), entries.end(), 0);
  for (LayerCache& layer : sequence->cache.layers) {
    for (int32_t h = 0; h < layer.n_head(); ++h)
      layer.keep(h, entries);
  }
  sequence->cache.next_position = static_cast<int32_t>(n);
}

std::vector<int32_t> some_tokens(const Model& model, int64_t n) {
  std::vector<int32_t> tokens(n);
  for (int64_t i = 0; i < n; ++i)
    tokens[i] = static_cast<int32_t>(7 * i % (model.hparams().n_vocab - 1));
  return tokens;
}

// A piece behind `depth` entries; all layers. What keeping its K/V takes is not the reading's.
Result<double> read_piece(const Model& model, Compute& compute, int64_t depth,
                          const std::vector<int32_t>& tokens, Sequence* full) {
  if (depth == 0) {
    RESTKV_ASSIGN_OR_RETURN(
        const PrefillResult result,
        prefill(model, compute, {.tokens = tokens}, {&full->plan, 1}, std::make_shared<KvMeter>()));
    return result.read.total_ms - result.read.eviction_ms;
  }
  keep_first(depth, full);
  RESTKV_ASSIGN_OR_RETURN(const ReadResult result,
                          extend(model, compute, {.tokens = tokens}, full));
  return result.total_ms - result.eviction_ms;
}

double on_lines(const std::vector<Point>& points, int64_t depth) {
  if (points.size() == 1) return points[0].ms;
  size_t i = 1;
  while (i + 1 < points.size() && depth > points[i].depth)
    ++i;
  const Point &a = points[i - 1], &b = points[i];
  const double t = static_cast<double>(depth - a.depth) / static_cast<double>(b.depth - a.depth);
  return a.ms + t * (b.ms - a.ms);
}

}  // namespace

Result<double> sample_prefill(const Model& model, Compute& compute, int64_t n_token,
                              Sequence* full) {
  const std::vector<int32_t> tokens = some_tokens(model, std::min(n_token, kPiece));
  std::vector<int64_t> depths;  // a cache that is cut back needs no filling
  if (n_token >= 2 * kPiece) depths.push_back(n_token - kPiece);
  if (n_token >= 4 * kPiece) depths.push_back(n_token / 2);
  depths.push_back(0);
  std::vector<Point> points;
  RESTKV_RETURN_IF_ERROR(read_piece(model, compute, 0, tokens, full).status());  // warms up
  for (const int64_t depth : depths) {
    RESTKV_ASSIGN_OR_RETURN(const double ms, read_piece(model, compute, depth, tokens, full));
    points.insert(points.begin(), {depth, ms});
  }
  double total = 0;
  for (int64_t first = 0; first < n_token; first += kPiece) {
    const int64_t n = std::min(kPiece, n_token - first);
    total += on_lines(points, first) * static_cast<double>(n) / static_cast<double>(tokens.size());
  }
  return total / model.hparams().n_layer;
}

}  // namespace restkv::bench
