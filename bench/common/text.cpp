#include "bench/common/text.h"

#include <array>

#include "core/random.h"

namespace restkv::bench {
namespace {

constexpr std::array kShips = {"the brig Aurora",        "the sloop Heron",
                               "a lighter without name", "the ketch Two Sisters",
                               "the barque Meridian",    "the ferry"};
constexpr std::array kPlaces = {"Bergen", "the upper river", "Lisbon",
                                "Riga",   "the islands",     "a port that nobody had heard of"};
constexpr std::array kGoods = {"salt", "barley", "lamp oil", "timber", "dried fish", "books"};
constexpr std::array kPeople = {"the widow Hansen", "the schoolmaster", "a cousin of the pilot",
                                "the mill",         "the apothecary",   "nobody in particular"};
constexpr std::array kRemarks = {
    "The clerk counted twice and came to the same number.",
    "It rained, and the unloading was put off until the next tide.",
    "Half of it was spoiled, which the master of the ship denied.",
    "The letter that came with it was opened and closed again.",
    "A boy found a coin between the planks and was allowed to keep it.",
    "Nothing else was written down that day."};

template <size_t N>
const char* pick(const std::array<const char*, N>& of, SplitMix64* random) {
  return of[random->next() % N];
}

std::string copy_of(const std::string& source, int64_t number) {
  return "Copy " + std::to_string(number) + ", page " + std::to_string(37 * number) + ".\n\n" +
         source + "\n\n";
}

}  // namespace

std::string ledger_page(int64_t page) {
  SplitMix64 random(derive_seed(1, static_cast<uint64_t>(page)));
  std::string text = "Page " + std::to_string(page) + "\n\n";
  for (int i = 0; i < 12; ++i) {
    text += "On day " + std::to_string(random.next() % 365 + 1) + " " + pick(kShips, &random) +
            " came in from " + pick(kPlaces, &random) + " with " +
            std::to_string(random.next() % 900 + 12) + " barrels of " + pick(kGoods, &random) +
            " for " + pick(kPeople, &random) + ". " + pick(kRemarks, &random) + " ";
  }
  return text + "\n\n";
}

Result<std::vector<int32_t>> prompt_of(const Tokenizer& tokenizer, const std::string& source,
                                       int64_t n) {
  std::string text;
  int64_t part = 0;
  for (int64_t n_byte = 6 * n + 16;; n_byte *= 2) {
    while (static_cast<int64_t>(text.size()) < n_byte) {
      ++part;
      text += source.empty() ? ledger_page(part) : copy_of(source, part);
    }
    RESTKV_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, tokenizer.tokenize(text, true, false));
    if (static_cast<int64_t>(tokens.size()) < n) continue;
    tokens.resize(n);
    return tokens;
  }
}

}  // namespace restkv::bench
