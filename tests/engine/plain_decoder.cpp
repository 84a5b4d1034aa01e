#include "tests/engine/plain_decoder.h"

#include <algorithm>
#include <cmath>

#include "cache/storage.h"

namespace restkv::test {
namespace {

std::string part(int32_t layer, const char* name) {
  return "blk." + std::to_string(layer) + "." + name;
}

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += a[i] * b[i];
  return sum;
}

double gated(double gate, bool gelu) {
  if (!gelu) return gate / (1 + std::exp(-gate));
  const double inner = std::sqrt(2 / M_PI) * (gate + 0.044715 * gate * gate * gate);
  return 0.5 * gate * (1 + std::tanh(inner));
}

}  // namespace

PlainDecoder::PlainDecoder(const Model& model, const KvCache& cache, bool by_index,
                           std::optional<StorageType> stored_as)
    : model_(model),
      hp_(model.hparams()),
      by_index_(by_index),
      stored_as_(stored_as),
      position_(cache.next_position) {
  std::vector<float> row(hp_.head_dim);
  const auto load = [&](const LayerCache& layer, const std::byte* from) {
    load_stored(from, layer.type(), 1, hp_.head_dim, row.data());
    return Row(row.begin(), row.end());
  };
  for (const LayerCache& layer : cache.layers) {
    auto& heads = layers_.emplace_back(layer.n_head());
    for (int32_t h = 0; h < layer.n_head(); ++h) {
      for (int32_t i = 0; i < layer.count(h); ++i) {
        heads[h].keys.push_back(load(layer, layer.k_row(h, i)));
        heads[h].values.push_back(load(layer, layer.v_row(h, i)));
      }
    }
  }
}

std::vector<float> PlainDecoder::plain(const std::string& name) const {
  const ggml_tensor* tensor = model_.weights().plain(name);
  if (tensor == nullptr) return {};
  const auto* data = static_cast<const float*>(tensor->data);
  return {data, data + ggml_nelements(tensor)};
}

PlainDecoder::Row PlainDecoder::embed(int32_t token) const {
  const std::vector<float> all = plain("token_embd.weight");
  Row x(all.begin() + token * hp_.n_embd, all.begin() + (token + 1) * hp_.n_embd);
  for (double& value : x)
    value *= model_.family().embedding_scale(hp_);
  return x;
}

// The weight's bias, where it has one, is added.
PlainDecoder::Row PlainDecoder::weight_times(const std::string& name, const Row& x) const {
  const std::vector<float> weight = plain(name + ".weight"), bias = plain(name + ".bias");
  Row y(weight.size() / x.size());
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] = bias.empty() ? 0.0 : bias[i];
    for (size_t j = 0; j < x.size(); ++j)
      y[i] += static_cast<double>(weight[i * x.size() + j]) * x[j];
  }
  return y;
}

PlainDecoder::Row PlainDecoder::normed(const std::string& name, const Row& x) const {
  const std::vector<float> weight = plain(name + ".weight");
  const double mean = dot(x.data(), x.data(), x.size()) / static_cast<double>(x.size());
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = x[i] / std::sqrt(mean + hp_.rms_eps) * weight[i];
  return y;
}

// REQUIRES: no RoPE scaling.
const std::vector<std::complex<double>>& PlainDecoder::turns(int64_t position) {
  const std::vector<float> factors = plain("rope_freqs.weight");
  while (static_cast<int64_t>(turns_.size()) <= position) {
    const auto at = static_cast<double>(turns_.size());
    auto& row = turns_.emplace_back();
    for (uint32_t j = 0; j < hp_.n_rot / 2; ++j) {
      const double frequency = std::pow(hp_.rope_freq_base, -2.0 * j / hp_.n_rot);
      row.push_back(std::polar(1.0, at * frequency / (factors.empty() ? 1.0 : factors[j])));
    }
  }
  return turns_[position];
}

void PlainDecoder::rotate(int64_t position, double* x) {
  const bool halves = model_.rope().pairs == RopePairs::halves;
  const auto& row = turns(position);
  const auto n_pair = static_cast<int64_t>(row.size());
  for (int64_t j = 0; j < n_pair; ++j) {
    double& a = x[halves ? j : 2 * j];
    double& b = x[halves ? j + n_pair : 2 * j + 1];
    const std::complex<double> turned = std::complex<double>(a, b) * row[j];
    a = turned.real();
    b = turned.imag();
  }
}

PlainDecoder::Row PlainDecoder::stored(Row row) const {
  if (!stored_as_) return row;
  std::vector<float> floats(row.begin(), row.end());
  const int64_t d = hp_.head_dim;
  std::vector<std::byte> bytes(storage_row_bytes(*stored_as_, d));
  store_row({floats.data(), ElementType::f32, 1, d, d}, 0, *stored_as_, bytes.data());
  load_stored(bytes.data(), *stored_as_, 1, d, floats.data());
  return {floats.begin(), floats.end()};
}

PlainDecoder::Row PlainDecoder::attend(const Head& head, Row query) {
  const int64_t d = hp_.head_dim, n = static_cast<int64_t>(head.keys.size());
  rotate(by_index_ ? n - 1 : position_, query.data());
  std::vector<double> weights(n);
  for (int64_t i = 0; i < n; ++i) {
    Row key = head.keys[i];
    if (by_index_) rotate(i, key.data());
    weights[i] = dot(query.data(), key.data(), d) * hp_.attention_scale;
  }
  const double largest = *std::ranges::max_element(weights);
  double total = 0;
  Row out(d, 0.0);
  for (int64_t i = 0; i < n; ++i) {
    const double weight = std::exp(weights[i] - largest);
    total += weight;
    for (int64_t c = 0; c < d; ++c)
      out[c] += weight * head.values[i][c];
  }
  for (double& value : out)
    value /= total;
  return out;
}

PlainDecoder::Row PlainDecoder::attention(int32_t layer, const Row& x) {
  const Row q = weight_times(part(layer, "attn_q"), x), k = weight_times(part(layer, "attn_k"), x),
            v = weight_times(part(layer, "attn_v"), x);
  const int64_t d = hp_.head_dim, n_head = hp_.n_head;
  std::vector<Head>& heads = layers_[layer];
  const int64_t n_cached = static_cast<int64_t>(heads.size());
  for (int64_t c = 0; c < n_cached; ++c) {
    const int64_t kv = c / (n_cached / static_cast<int64_t>(hp_.n_head_kv));
    Row key(k.begin() + kv * d, k.begin() + (kv + 1) * d);
    if (!by_index_) rotate(position_, key.data());
    heads[c].keys.push_back(stored(key));
    heads[c].values.push_back(stored(Row(v.begin() + kv * d, v.begin() + (kv + 1) * d)));
  }
  Row joined;
  for (int64_t h = 0; h < n_head; ++h) {
    const Row out =
        attend(heads[h / (n_head / n_cached)], Row(q.begin() + h * d, q.begin() + (h + 1) * d));
    joined.insert(joined.end(), out.begin(), out.end());
  }
  return weight_times(part(layer, "attn_output"), joined);
}

PlainDecoder::Row PlainDecoder::feed_forward(int32_t layer, const Row& x) const {
  Row gate = weight_times(part(layer, "ffn_gate"), x);
  const Row up = weight_times(part(layer, "ffn_up"), x);
  for (size_t i = 0; i < gate.size(); ++i)
    gate[i] = gated(gate[i], hp_.arch == "gemma") * up[i];
  return weight_times(part(layer, "ffn_down"), gate);
}

std::vector<float> PlainDecoder::decode(int32_t token) {
  Row x = embed(token);
  const auto add = [&](const Row& y) {
    for (size_t i = 0; i < x.size(); ++i)
      x[i] += y[i];
  };
  for (int32_t l = 0; l < static_cast<int32_t>(hp_.n_layer); ++l) {
    add(attention(l, normed(part(l, "attn_norm"), x)));
    add(feed_forward(l, normed(part(l, "ffn_norm"), x)));
  }
  ++position_;
  const Row logits = weight_times("token_embd", normed("output_norm", x));
  return {logits.begin(), logits.end()};
}

}  // namespace restkv::test
