// One sample of a benchmark: what the model reads, how its answer ends, and what is right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace restkv {

struct Sample {
  std::string id;             // unique in its task and length; the same for the same seed or file
  std::string prompt;         // of any length; who runs the sample cuts it to what the model takes
  std::string answer_prefix;  // follows the prompt as it is, or opens the assistant's turn
  int n_new = 0;              // tokens of the answer at most
  bool chat_wrap = true;      // whether the prompt style "chat" wraps this task's prompts
  bool stop_at_newline = false;     // the answer ends before a newline, too
  std::vector<std::string> stop{};  // and before any of these texts
  // What a result line takes over: the answers by the names that `restkv score` reads, and what
  // tells samples apart (depth, all_classes, length in words ...).
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
};

}  // namespace restkv
