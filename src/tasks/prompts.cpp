#include "tasks/prompts.h"

#include <algorithm>

#include "core/check.h"

#include "tasks/built_in_prompts.h"
#include "tasks/text_file.h"

namespace restkv {
namespace {

using nlohmann::json;

constexpr std::string_view kContext = "{context}";

// Empty where the member is missing.
Result<std::string> member_text(const json& task, const char* name) {
  const auto member = task.find(name);
  if (member == task.end()) return std::string();
  if (!member->is_string()) {
    return Status::model(std::string(name) + " holds a value of type " + member->type_name() +
                         ", it must be a string");
  }
  return member->get<std::string>();
}

Result<PromptTemplate> read_template(const json& task) {
  PromptTemplate result;
  RESTKV_ASSIGN_OR_RETURN(result.prompt, member_text(task, "template"));
  RESTKV_ASSIGN_OR_RETURN(result.answer_prefix, member_text(task, "answer_prefix"));
  if (result.prompt.find(kContext) == std::string::npos)
    return Status::model("the template has no place {context}");
  return result;
}

bool has_template(PromptSet set, std::string_view name) {
  return std::ranges::any_of(built_in_templates(set),
                             [&](const BuiltInTemplate& task) { return task.name == name; });
}

Status wrong_member(const std::string& path, const std::string& name, const json& member,
                    const char* allowed) {
  return Status::model(path + ": " + name + " holds a value of type " + member.type_name() +
                       ", it must be " + allowed);
}

// The needle test has one template, whose file holds it without a name.
constexpr const char* kNiahTask = "niah";
constexpr const char* kOwnTask = "json_words";

}  // namespace

Prompts Prompts::built_in(PromptSet set) {
  Prompts prompts;
  for (const BuiltInTemplate& task : built_in_templates(set)) {
    prompts.templates_[std::string(task.name)] = {std::string(task.prompt),
                                                  std::string(task.answer_prefix)};
  }
  for (const auto& [name, text] : built_in_texts(set))
    prompts.texts_[std::string(name)] = text;
  return prompts;
}

Result<Prompts> Prompts::load(PromptSet set, const std::string& path) {
  RESTKV_ASSIGN_OR_RETURN(json document, read_json_file(path));
  if (!document.is_object()) {
    return Status::model(path + " holds a value of type " + document.type_name() +
                         ", templates are a JSON object");
  }
  if (set == PromptSet::niah) document = {{kNiahTask, document}, {"texts", document}};
  Prompts prompts;
  prompts.source_ = path;
  for (const auto& [name, text] : built_in_texts(set))
    prompts.texts_[std::string(name)] = text;
  if (set == PromptSet::ruler)  // a task of ours, which no file of RULER has
    prompts.templates_[kOwnTask] = built_in(set).templates_[kOwnTask];
  const json& texts = set == PromptSet::niah ? document["texts"] : document;
  for (const auto& [name, member] : texts.items()) {
    if (member.is_string()) prompts.texts_[name] = member.get<std::string>();
    if (!member.is_string() && prompts.texts_.contains(name))
      return wrong_member(path, name, member, "a string");
  }
  for (const auto& [name, member] : document.items()) {
    if (name == "texts") continue;
    if (!member.is_object() && has_template(set, name))
      return wrong_member(path, name, member, "an object with a template");
    if (!member.is_object()) continue;
    const Result<PromptTemplate> task = read_template(member);
    if (!task.ok()) return Status::model(path + ": " + name + ": " + task.status().message());
    prompts.templates_[name] = *task;
  }
  return prompts;
}

Result<PromptTemplate> Prompts::find(std::string_view task) const {
  const auto found = templates_.find(task);
  if (found == templates_.end())
    return Status::model("the templates of " + name() + " have none for " + std::string(task));
  return found->second;
}

const std::string& Prompts::text(std::string_view name) const {
  const auto found = texts_.find(name);
  RESTKV_CHECK(found != texts_.end());
  return found->second;
}

std::string fill_places(std::string_view text, Places places) {
  std::string filled;
  for (size_t i = 0; i < text.size();) {
    const size_t open = std::min(text.find('{', i), text.size());
    filled.append(text, i, open - i);
    i = open;
    if (i == text.size()) break;
    const size_t close = text.find('}', i);
    const std::string_view name =
        close == std::string_view::npos ? "" : text.substr(i + 1, close - i - 1);
    const auto place =
        std::ranges::find_if(places, [&](const auto& entry) { return entry.first == name; });
    const bool known = close != std::string_view::npos && place != places.end();
    filled += known ? place->second : text.substr(i, 1);
    i = known ? close + 1 : i + 1;
  }
  return filled;
}

}  // namespace restkv
