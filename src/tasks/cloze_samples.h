// Texts of a user's own file whose last word is to be foreseen, as in LAMBADA (arXiv 1606.06031).
#pragma once

#include <memory>

#include "restkv/status.h"
#include "tasks/choice_samples.h"

namespace restkv {

// One text a line, {"text": at least two words}, and an "id" if it likes. The prompt is what stands
// before the white space in front of the last word; white space behind that word plays no part.
// Fields of a sample: "target" (the white space and the word). Errors: as RecordFile::open().
Result<std::unique_ptr<SampleSource>> cloze_samples(const OwnSamples& options);

}  // namespace restkv
