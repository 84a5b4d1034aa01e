// What the published code does with a label, in Python's words.
#pragma once

#include <string_view>
#include <vector>

#include "scores/infinitebench.h"
#include "scores/text.h"

namespace restkv {

struct LabelItem {
  Label value;
  std::string_view error = {};  // the exception, else empty
};

// label[i]: an element of a list, a character of a string.
LabelItem label_item(const Label& label, size_t i);
// The label, or the first element where it is a list.
LabelItem first_of_list(const Label& label);

// Whether a loop over it is possible, and what that yields. REQUIRES: is_iterable(label).
inline bool is_iterable(const Label& label) {
  return label.is_array() || label.is_string();
}
std::vector<Label> label_items(const Label& label);

inline Text text_of(const Label& label) {
  return decode_utf8(label.get_ref<const std::string&>());
}
inline bool equals(const Label& label, TextView text) {
  return label.is_string() && text_of(label) == text;
}
// text in label: an element of the list, or a part of the string. REQUIRES: is_iterable(label).
bool contains(const Label& label, TextView text);

}  // namespace restkv
