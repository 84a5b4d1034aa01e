// One turn of a conversation: what is asked, and how the answer begins and ends.
#pragma once

#include <string>
#include <vector>

namespace restkv {

struct Turn {
  std::string question;
  std::string answer_prefix;     // opens the answer; read with the question
  int n_new = 0;                 // tokens of the answer at most
  bool stop_at_newline = false;  // the answer ends before a newline, too
  std::vector<std::string> stop{};
};

}  // namespace restkv
