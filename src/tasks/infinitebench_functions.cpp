// Code.Run: one-line Python functions, each of which calls one of the next layer; the value of one
// of the first layer is asked for.
#include <array>

#include "tasks/draw.h"
#include "tasks/infinitebench_forms.h"

namespace restkv {
namespace {

constexpr std::array<int64_t, 5> kLayers = {2, 4, 6, 8, 10};
constexpr int64_t kLeastAdded = -12, kMostAdded = 17, kLargestArgument = 10;

struct Function {
  int64_t name = 0, added = 0;
  int64_t calls = -1;  // the place of another function; -1: none
};

class CodeRunForm : public Form {
 public:
  CodeRunForm(const InfiniteBenchInputs& inputs, std::string head, std::string input, int64_t index,
              uint64_t seed)
      : inputs_(inputs),
        head_(std::move(head)),
        input_(std::move(input)),
        n_layer_(kLayers[static_cast<size_t>(index) % kLayers.size()]),
        seed_(seed) {}

  int64_t min_units() const override { return n_layer_; }  // functions
  int64_t max_units() const override { return inputs_.length; }

  Draft build(int64_t n_unit) override {
    const std::vector<Function> functions = draw_functions(n_unit);
    Draw draw(derive_seed(seed_, 1));
    const int64_t argument = draw.between(-kLargestArgument, kLargestArgument);
    // Functions are sorted by name, their layers repeat over and over: those of the first layer.
    std::vector<int64_t> first;
    for (int64_t i = 0; i < n_unit; ++i) {
      if (layer_of(i) == 0) first.push_back(i);
    }
    const int64_t asked = draw.pick(first);
    const std::string call =
        name_of(functions[static_cast<size_t>(asked)]) + "(" + std::to_string(argument) + ")";
    const std::string input = fill_places(input_, {{"func_call", call}});
    Draft draft = infinitebench_draft(inputs_, {{"context", code_of(functions)},
                                                {"input", input},
                                                {"answer", value_of(functions, asked, argument)}});
    draft.fields["layers"] = n_layer_;
    draft.must_occur = {{"def " + call.substr(0, call.find('(')) + "(x)", 1}};
    return draft;
  }

 private:
  int64_t layer_of(int64_t place) const { return layers_[static_cast<size_t>(place)]; }
  static std::string name_of(const Function& function) {
    return "func_" + std::to_string(function.name);
  }

  // Ascending names with gaps; layers are dealt out evenly, then shuffled.
  std::vector<Function> draw_functions(int64_t n) {
    Draw draw(derive_seed(seed_, 0));
    layers_.clear();
    std::vector<std::vector<int64_t>> of_layer(static_cast<size_t>(n_layer_));
    for (int64_t i = 0; i < n; ++i)
      layers_.push_back(i % n_layer_);
    draw.shuffle(layers_);
    for (int64_t i = 0; i < n; ++i)
      of_layer[static_cast<size_t>(layer_of(i))].push_back(i);
    std::vector<Function> functions(static_cast<size_t>(n));
    int64_t name = 0;
    for (int64_t i = 0; i < n; ++i) {
      Function& function = functions[static_cast<size_t>(i)];
      name += draw.between(1, 2);
      function.name = name;
      function.added = draw.between(kLeastAdded, kMostAdded);
      const auto next = static_cast<size_t>(layer_of(i)) + 1;
      if (next < of_layer.size()) function.calls = draw.pick(of_layer[next]);
    }
    return functions;
  }

  std::string code_of(const std::vector<Function>& functions) const {
    std::string code = head_;
    for (const Function& function : functions) {
      code += "def " + name_of(function) + "(x):\n    return ";
      code += function.calls < 0 ? "x"
                                 : name_of(functions[static_cast<size_t>(function.calls)]) + "(x)";
      if (function.added > 0) code += " + " + std::to_string(function.added);
      if (function.added < 0) code += " - " + std::to_string(-function.added);
      code += "\n\n";
    }
    return code;
  }

  static int64_t value_of(const std::vector<Function>& functions, int64_t place, int64_t value) {
    for (; place >= 0; place = functions[static_cast<size_t>(place)].calls)
      value += functions[static_cast<size_t>(place)].added;
    return value;
  }

  InfiniteBenchInputs inputs_;
  std::string head_, input_;
  int64_t n_layer_;
  uint64_t seed_;
  std::vector<int64_t> layers_;  // of the functions, by place
};

}  // namespace

MakeForm code_run_forms(const InfiniteBenchInputs& inputs) {
  const std::string head = inputs.prompts->text("code_head");
  const std::string input = inputs.prompts->text("code_input");
  return [inputs, head, input](int64_t index, uint64_t seed) {
    return std::make_unique<CodeRunForm>(inputs, head, input, index, seed);
  };
}

}  // namespace restkv
