#include "report/scopes.h"

#include <algorithm>
#include <map>

#include "scores/longbench.h"

namespace restkv::report {
namespace {

using Group = std::vector<size_t>;  // strata

std::vector<Group> groups_by_length(const Section& section) {
  std::map<int64_t, Group> by_length;
  for (size_t s = 0; s < section.strata.size(); ++s)
    by_length[section.strata[s].length.value_or(-1)].push_back(s);
  std::vector<Group> groups;
  for (auto& [length, group] : by_length)
    groups.push_back(std::move(group));
  return groups;
}

Scope average(const std::string& name, const Section& section, const std::vector<Group>& groups) {
  Scope scope{name, {}, {}};
  if (groups.size() == 1) scope.length = section.strata[groups.front().front()].length;
  for (const Group& group : groups) {
    const double weight = 1.0 / static_cast<double>(groups.size() * group.size());
    for (const size_t stratum : group)
      scope.parts.push_back({stratum, weight});
  }
  return scope;
}

// LongBench's categories that the group has data sets of, with their names.
std::vector<std::pair<std::string, Group>> categories_of(const Section& section,
                                                         const Group& group) {
  std::vector<std::pair<std::string, Group>> categories;
  for (const std::string_view category : longbench_categories()) {
    Group members;
    for (const size_t stratum : group) {
      const auto task = find_longbench_task(section.strata[stratum].task);
      if (task.ok() && (*task)->category == category) members.push_back(stratum);
    }
    if (!members.empty()) categories.emplace_back(category, std::move(members));
  }
  return categories;
}

void add_longbench(const Section& section, const Group& group, std::vector<Scope>* scopes) {
  scopes->push_back(average("average of data sets", section, {group}));
  const auto categories = categories_of(section, group);
  std::vector<Group> members;
  for (const auto& [name, strata] : categories)
    members.push_back(strata);
  if (members.size() < 2) return;
  scopes->push_back(average("average of categories", section, members));
  scopes->back().length.reset();
  for (const auto& [name, strata] : categories) {
    if (strata.size() > 1) scopes->push_back(average("category " + name, section, {strata}));
  }
}

bool have_same_tasks(const Section& section, const std::vector<Group>& groups) {
  const auto task = [&](size_t stratum) -> const std::string& {
    return section.strata[stratum].task;
  };
  return std::ranges::all_of(groups, [&](const Group& group) {
    return std::ranges::equal(group, groups.front(), {}, task, task);
  });
}

}  // namespace

std::vector<Scope> scopes_of(const Section& section) {
  const std::vector<Group> groups = groups_by_length(section);
  const bool one_task = std::ranges::all_of(groups, [](const Group& g) { return g.size() == 1; });
  std::vector<Scope> scopes;
  if (groups.size() > 1 && have_same_tasks(section, groups)) {
    scopes.push_back(
        average(one_task ? "mean over lengths" : "mean over tasks and lengths", section, groups));
  }
  for (const Group& group : groups) {
    if (group.size() > 1 && section.benchmark == "longbench") {
      add_longbench(section, group, &scopes);
    } else if (group.size() > 1) {
      scopes.push_back(average("mean over tasks", section, {group}));
    }
  }
  for (const Group& group : groups) {
    for (const size_t s : group)
      scopes.push_back({section.strata[s].task, section.strata[s].length, {{s, 1.0}}});
  }
  return scopes;
}

}  // namespace restkv::report
