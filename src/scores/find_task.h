// A benchmark's task by its name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "restkv/status.h"

namespace restkv {

// Error: usage, with the names that `benchmark` has.
template <typename Task>
Result<const Task*> find_task(std::span<const Task> tasks, std::string_view name,
                              const char* benchmark) {
  std::string list;
  for (const Task& task : tasks) {
    if (task.name == name) return &task;
    list += (list.empty() ? "" : ", ") + std::string(task.name);
  }
  return Status::usage("the task is \"" + std::string(name) + "\", " + benchmark + " has " + list);
}

}  // namespace restkv
