#include "scores/label.h"

#include <algorithm>

#include "core/check.h"

namespace restkv {

LabelItem label_item(const Label& label, size_t i) {
  if (label.is_object()) return {{}, "KeyError"};
  if (!is_iterable(label)) return {{}, "TypeError"};
  const std::vector<Label> items = label_items(label);
  if (i >= items.size()) return {{}, "IndexError"};
  return {items[i]};
}

LabelItem first_of_list(const Label& label) {
  if (label.is_array()) return label_item(label, 0);
  return {label};
}

std::vector<Label> label_items(const Label& label) {
  RESTKV_CHECK(is_iterable(label));
  if (label.is_array()) return {label.begin(), label.end()};
  std::vector<Label> items;
  const Text text = text_of(label);
  for (size_t i = 0; i < text.size(); ++i)
    items.emplace_back(encode_utf8(TextView(text).substr(i, 1)));
  return items;
}

bool contains(const Label& label, TextView text) {
  RESTKV_CHECK(is_iterable(label));
  if (label.is_string()) return text_of(label).find(text) != Text::npos;
  return std::ranges::any_of(label, [&](const Label& item) { return equals(item, text); });
}

}  // namespace restkv
