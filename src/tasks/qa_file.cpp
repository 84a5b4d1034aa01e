#include "tasks/qa_file.h"

#include <algorithm>
#include <map>

#include "tasks/text_file.h"

namespace restkv {
namespace {

using nlohmann::json;

std::string document_of(const json& title, const json& text) {
  return title.get_ref<const std::string&>() + "\n" + text.get_ref<const std::string&>();
}

// Documents by their places, once all of them are known.
class Documents {
 public:
  void add(std::string document) { places_.emplace(std::move(document), 0); }
  std::vector<std::string> sorted() {
    std::vector<std::string> documents;
    for (auto& [document, place] : places_) {
      place = static_cast<int64_t>(documents.size());
      documents.push_back(document);
    }
    return documents;
  }
  int64_t place(const std::string& document) const { return places_.find(document)->second; }

 private:
  std::map<std::string, int64_t> places_;
};

std::vector<std::string> answers_of(const json& question) {
  std::vector<std::string> answers;
  for (const json& answer : question.at("answers"))
    answers.push_back(answer.at("text").get<std::string>());
  return answers;
}

// Throws json::exception where the file has another form; so do those below.
QaFile squad_of(const json& document) {
  Documents documents;
  for (const json& article : document.at("data")) {
    for (const json& paragraph : article.at("paragraphs"))
      documents.add(document_of(article.at("title"), paragraph.at("context")));
  }
  QaFile file;
  file.documents = documents.sorted();
  for (const json& article : document.at("data")) {
    std::vector<int64_t> of_article;
    for (const json& paragraph : article.at("paragraphs"))
      of_article.push_back(
          documents.place(document_of(article.at("title"), paragraph.at("context"))));
    for (size_t p = 0; p < of_article.size(); ++p) {
      std::vector<int64_t> near = of_article;
      std::erase(near, of_article[p]);
      for (const json& question : article["paragraphs"][p].at("qas")) {
        if (question.value("is_impossible", false)) continue;
        file.questions.push_back({question.at("question").get<std::string>(),
                                  answers_of(question),
                                  {of_article[p]},
                                  near});
      }
    }
  }
  return file;
}

std::string hotpot_document(const json& context) {
  std::string document = context.at(0).get<std::string>() + "\n";
  for (const json& sentence : context.at(1))
    document += sentence.get_ref<const std::string&>();
  return document;
}

QaFile hotpot_of(const json& records) {
  Documents documents;
  for (const json& record : records) {
    for (const json& context : record.at("context"))
      documents.add(hotpot_document(context));
  }
  QaFile file;
  file.documents = documents.sorted();
  for (const json& record : records) {
    QaQuestion question{record.at("question").get<std::string>(),
                        {record.at("answer").get<std::string>()}};
    for (const json& context : record.at("context")) {
      const int64_t place = documents.place(hotpot_document(context));
      if (std::ranges::find(question.gold, place) == question.gold.end())
        question.gold.push_back(place);
    }
    file.questions.push_back(std::move(question));
  }
  return file;
}

Result<QaFile> read_qa(const std::string& path, QaFile (*parse)(const json&), const char* form) {
  RESTKV_ASSIGN_OR_RETURN(const json document, read_json_file(path));
  try {
    QaFile file = parse(document);
    std::erase_if(file.questions, [](const QaQuestion& q) { return q.answers.empty(); });
    if (file.questions.empty()) return Status::model(path + " holds no questions with an answer");
    return file;
  } catch (const json::exception& error) {
    return Status::model(path + " does not have the form of " + form + ": " + error.what());
  }
}

}  // namespace

Result<QaFile> read_squad(const std::string& path) {
  return read_qa(path, squad_of, "SQuAD 2.0");
}

Result<QaFile> read_hotpot(const std::string& path) {
  return read_qa(path, hotpot_of, "HotpotQA");
}

}  // namespace restkv
