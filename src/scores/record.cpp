#include "scores/record.h"

#include "core/json_depth.h"
#include "scores/text.h"

namespace restkv {

using nlohmann::json;

namespace {

std::string joined(Names names) {
  std::string list;
  for (const std::string_view name : names)
    list += (list.empty() ? "" : " or ") + std::string(name);
  return list;
}

Status wrong_type(Names names, const json& value, std::string_view allowed) {
  return Status::model("field " + joined(names) + " holds a value of type " + value.type_name() +
                       ", it must be " + std::string(allowed));
}

Result<std::vector<std::string>> texts_of(const json& value, Names names) {
  if (value.is_string()) return std::vector{value.get<std::string>()};
  if (value.is_number_integer()) return std::vector{value.dump()};
  if (!value.is_array()) return wrong_type(names, value, "a list of strings");
  std::vector<std::string> texts;
  for (const json& item : value) {
    if (!item.is_string() && !item.is_number_integer())
      return wrong_type(names, item, "strings in a list");
    texts.push_back(item.is_string() ? item.get<std::string>() : item.dump());
  }
  return texts;
}

}  // namespace

Result<json> parse_record(std::string_view line) {
  RESTKV_RETURN_IF_ERROR(check_json_depth(line));
  json record = json::parse(line, nullptr, false);  // takes no bytes that are not UTF-8
  if (record.is_discarded()) record = json::parse(encode_utf8(decode_utf8(line)), nullptr, false);
  if (record.is_discarded()) return Status::model("the line is not JSON");
  if (!record.is_object()) {
    return Status::model(std::string("the line holds a value of type ") + record.type_name() +
                         ", it must be a JSON object");
  }
  return record;
}

bool is_blank_line(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

const json* find_field(const json& record, Names names) {
  for (const std::string_view name : names) {
    const auto found = record.find(name);
    if (found != record.end()) return &*found;
  }
  return nullptr;
}

Result<const json*> get_field(const json& record, Names names) {
  const json* const field = find_field(record, names);
  if (field == nullptr) return Status::model("field " + joined(names) + " is missing");
  return field;
}

Result<std::string> get_text(const json& record, Names names) {
  RESTKV_ASSIGN_OR_RETURN(const json* const field, get_field(record, names));
  if (!field->is_string()) return wrong_type(names, *field, "a string");
  return field->get<std::string>();
}

Result<std::vector<std::string>> get_texts(const json& record, Names names) {
  RESTKV_ASSIGN_OR_RETURN(const json* const field, get_field(record, names));
  return texts_of(*field, names);
}

Result<std::vector<std::vector<std::string>>> get_text_lists(const json& record, Names names,
                                                             size_t n) {
  RESTKV_ASSIGN_OR_RETURN(const json* const field, get_field(record, names));
  if (!field->is_array()) return wrong_type(names, *field, "a list of lists of strings");
  if (field->size() != n) {
    return Status::model("field " + joined(names) + " has " + std::to_string(field->size()) +
                         " entries, there are " + std::to_string(n) + " predictions");
  }
  std::vector<std::vector<std::string>> lists;
  for (const json& item : *field) {
    RESTKV_ASSIGN_OR_RETURN(std::vector<std::string> texts, texts_of(item, names));
    lists.push_back(std::move(texts));
  }
  return lists;
}

Result<std::vector<std::string>> get_classes(const json& record) {
  const json* const field = find_field(record, {"all_classes"});
  if (field == nullptr || field->is_null()) return std::vector<std::string>();
  return texts_of(*field, {"all_classes"});
}

}  // namespace restkv
