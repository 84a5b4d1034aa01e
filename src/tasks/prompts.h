// Prompt templates: the words around a sample's text. A benchmark's own are read from a file; what
// is built in was worded for this project and gives other scores than the published prompts.
//
// The file is one JSON object. A member that is an object is a task's: {"template", "answer_prefix"
// (may be missing)}; a member that is a string is a text by its name ("needle", "noise" ...) and
// replaces the built-in one. The needle test's file has one "template" and its texts side by side.
// Other members are not read: limits are the tables'. Places are written {name}.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "restkv/status.h"

namespace restkv {

enum class PromptSet { ruler, niah, longbench, infinitebench };

struct PromptTemplate {
  std::string prompt;         // has the place {context}
  std::string answer_prefix;  // may be empty
};

// Thread safety: const after construction.
class Prompts {
 public:
  static Prompts built_in(PromptSet set);
  // Errors: model (unreadable, no JSON object, a template without {context}).
  static Result<Prompts> load(PromptSet set, const std::string& path);

  bool is_built_in() const { return source_.empty(); }
  // "built-in", or the file's path: what results say about it.
  std::string name() const { return is_built_in() ? "built-in" : source_; }

  // A task's template, by the name that its benchmark's file has ("niah", "variable_tracking",
  // "narrativeqa" ...). The needle test's only one is "niah". Error: model (the file has none).
  Result<PromptTemplate> find(std::string_view task) const;
  // A text beside the templates. REQUIRES: it is one of built_in_texts().
  const std::string& text(std::string_view name) const;

 private:
  std::string source_;
  std::map<std::string, PromptTemplate, std::less<>> templates_;
  std::map<std::string, std::string, std::less<>> texts_;
};

using Places = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// The template with each {name} of `places` replaced, in one pass: what is put in is not looked at
// again. Other braces stay as they are.
std::string fill_places(std::string_view text, Places places);

}  // namespace restkv
