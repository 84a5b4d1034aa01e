#include "tasks/built_in_prompts.h"

#include <array>

namespace restkv {
namespace {

using Text = std::pair<std::string_view, std::string_view>;

// RULER makes "niah" singular where one value is asked for: "Some" to "A", "are all" to "is", "are"
// to "is". The wording below must survive that, in words that contain them, too.
constexpr std::array kRuler = {
    BuiltInTemplate{
        "niah",
        "Some secret {type_needle_v} are written into the text below. Read it closely, because you "
        "will be asked about the {type_needle_v}.\n{context}\nWhich are all the secret "
        "{type_needle_v} of {query} that the text gives?",
        " The secret {type_needle_v} of {query} that the text gives are"},
    BuiltInTemplate{
        "variable_tracking",
        "The text below sets variables, each to a number or to the value of another variable. "
        "Follow which value every variable has.\n\n{context}\nQuestion: Which variables have the "
        "value {query} in the text above?",
        " Answer: In the text above {num_v} variables have the value {query}, namely:"},
    BuiltInTemplate{
        "common_words_extraction",
        "Here is a numbered list of words. A few of them occur more often than the rest. Remember "
        "those that occur most often.\n{context}\nQuestion: Which 10 words occur most often in "
        "the list above?",
        " Answer: The 10 words that occur most often in the list above are:"},
    BuiltInTemplate{
        "freq_words_extraction",
        "The text below consists of coded words. Count how often each of them occurs, and find the "
        "three most frequent ones. {context}\nQuestion: Leave out the dots '...' and explain "
        "nothing. Which three coded words occur most often in the text above?",
        " Answer: The three coded words that occur most often in the text above are:"},
    BuiltInTemplate{
        "qa",
        "Answer the question from the texts below. Write the answer alone and nothing else.\n\nThe "
        "texts:\n\n{context}\n\nAnswer the question from the texts above. Write the answer alone "
        "and nothing else.\n\nQuestion: {query}",
        " Answer:"},
    BuiltInTemplate{
        "json_words",
        "Below is a JSON object. You will be asked for the value of one of its keys.\n\n"
        "{context}\n\nWhat is the value of the key \"{query}\" in the JSON object above?",
        " The value of the key \"{query}\" is"},
};

constexpr std::array kRulerTexts = {
    Text{"needle", "Among the secret {type_needle_v} of {key} is: {value}."},
    Text{"noise",
         "The rain has stopped. A cart goes by. The lamps burn. Nobody speaks. Then all is quiet."},
    Text{"document", "Text {i}:\n{document}"},
};

constexpr std::array kNiah = {
    BuiltInTemplate{"niah",
                    "Here is a long text: <text> {context} </text>\nAnswer a question about the "
                    "text. Question: {question}\nAnswer:",
                    ""},
};

constexpr std::array kNiahTexts = {
    Text{"needle",
         "\nThe most pleasant thing to do in Lisbon is to drink a coffee and watch the boats from "
         "the old pier at sunset.\n"},
    Text{"question", "What is the most pleasant thing to do in Lisbon?"},
    Text{"expected_answer", "drink a coffee and watch the boats from the old pier at sunset."},
};

#define RESTKV_MULTI_DOCUMENT                                                                     \
  "Answer the question from the passages below. Write the answer alone and nothing else.\n\nThe " \
  "passages:\n{context}\n\nAnswer the question from the passages above. Write the answer alone "  \
  "and nothing else.\n\nQuestion: {input}\nAnswer:"
#define RESTKV_NEXT_LINE "Write the line with which this code goes on. \n{context}"

constexpr std::array kLongBench = {
    BuiltInTemplate{
        "narrativeqa",
        "Here is a story, a novel or the script of a film, and a question about it. Answer in as "
        "few words as you can and explain nothing.\n\nStory: {context}\n\nNow answer the question "
        "about the story in as few words as you can and explain nothing.\n\nQuestion: "
        "{input}\n\nAnswer:",
        ""},
    BuiltInTemplate{
        "qasper",
        "Here is a scientific article and a question about it. Answer in a few words or one "
        "sentence, with \"yes\" or \"no\" where that is asked for, and with \"unanswerable\" where "
        "the article does not say. Explain nothing.\n\nArticle: {context}\n\nNow answer the "
        "question about the article in a few words or one sentence, with \"yes\" or \"no\" where "
        "that is asked for, and with \"unanswerable\" where the article does not say. Explain "
        "nothing.\n\nQuestion: {input}\n\nAnswer:",
        ""},
    BuiltInTemplate{"multifieldqa_en",
                    "Read this text for a short answer.\n\n{context}\n\nNow answer the question "
                    "about the text above. Write the answer alone and nothing else.\n\nQuestion: "
                    "{input}\nAnswer:",
                    ""},
    BuiltInTemplate{"hotpotqa", RESTKV_MULTI_DOCUMENT, ""},
    BuiltInTemplate{"2wikimqa", RESTKV_MULTI_DOCUMENT, ""},
    BuiltInTemplate{"musique", RESTKV_MULTI_DOCUMENT, ""},
    BuiltInTemplate{"gov_report",
                    "Here is a government agency's report. Sum it up on one page.\n\nReport:\n"
                    "{context}\n\nNow sum up the report on one page.\n\nSummary:",
                    ""},
    BuiltInTemplate{"qmsum",
                    "Here are the minutes of a meeting, word for word, and a request about them. "
                    "Answer it in one sentence or a few.\n\nMinutes:\n{context}\n\nNow answer the "
                    "request about the meeting in one sentence or a few.\n\nRequest: "
                    "{input}\nAnswer:",
                    ""},
    BuiltInTemplate{"multi_news",
                    "Here are several pieces of news. Sum all of them up on one page.\n\nNews:\n"
                    "{context}\n\nNow sum up all the news on one page.\n\nSummary:",
                    ""},
    BuiltInTemplate{"trec",
                    "Say of which type the last question is. Other questions and their types come "
                    "first.\n\n{context}\n{input}",
                    ""},
    BuiltInTemplate{"triviaqa",
                    "Answer the last question from its passage. Write the answer alone and nothing "
                    "else. Examples come first.\n\n{context}\n\n{input}",
                    ""},
    BuiltInTemplate{"samsum",
                    "Sum up the last dialogue in a few short sentences. Examples come "
                    "first.\n\n{context}\n\n{input}",
                    ""},
    BuiltInTemplate{"passage_count",
                    "Here are paragraphs from an encyclopaedia, some of them more than once. Find "
                    "out how many different paragraphs there are.\n\n{context}\n\nNow write how "
                    "many different paragraphs there are, as a number and nothing else, such as 1, "
                    "2 or 3.\n\nThe number is: ",
                    ""},
    BuiltInTemplate{"passage_retrieval_en",
                    "Here are 30 paragraphs from an encyclopaedia, and then a summary of one of "
                    "them. Find out of which.\n\n{context}\n\nThe summary:\n\n{input}\n\nNow write "
                    "which paragraph it sums up, in the form \"Paragraph 1\", \"Paragraph 2\" and "
                    "so on.\n\nThe answer is: ",
                    ""},
    BuiltInTemplate{"lcc", RESTKV_NEXT_LINE "The next line:\n", ""},
    BuiltInTemplate{"repobench-p", RESTKV_NEXT_LINE "{input}The next line:\n", ""},
};
#undef RESTKV_MULTI_DOCUMENT
#undef RESTKV_NEXT_LINE

constexpr std::array kInfiniteBench = {
    BuiltInTemplate{"passkey",
                    "Somewhere in a long and unimportant text a pass key is given. Find it and "
                    "remember it, you will be asked for it.\n\n{context}\n\n{input}\n\nThe pass "
                    "key is",
                    ""},
    BuiltInTemplate{
        "number_string",
        "Somewhere in a long and unimportant text a sequence of digits is given. Find it, "
        "you will be asked for it.\n\n{context}\n\n{input}\n\nThe sequence of digits is",
        ""},
    BuiltInTemplate{"kv_retrieval",
                    "Find the value of a key in this JSON object.\n\n{context}\n\n{input}", ""},
    BuiltInTemplate{"longbook_sum_eng", "Sum up this book.\n\n{context}\n\nSummary:", ""},
    BuiltInTemplate{"longbook_choice_eng",
                    "Read this book to answer a question.\n\n{context}\n\nQuestion: "
                    "{question}\nA. {OPTION_A}\nB. {OPTION_B}\nC. {OPTION_C}\nD. {OPTION_D}\n\nThe "
                    "right answer has the letter",
                    ""},
    BuiltInTemplate{"longbook_qa_eng",
                    "Read this book to answer a question in very few words.\n\n{context}\n\n"
                    "Question: {question}\nAnswer:",
                    ""},
    BuiltInTemplate{"longbook_qa_chn",
                    "请先读这本书，再回答问题。\n\n{context}\n\n问题：{question}\n答案：", ""},
    BuiltInTemplate{"math_find", "Here is a list of numbers.\n\n{context}\n\n{input}", ""},
    BuiltInTemplate{"math_calc",
                    "Work out a sum from left to right and write down every value on the "
                    "way.\n\nSum: 2 + 5 - 1\nValues: [2, 7, 6]\n\nSum: 9 - 4 + 3 + 1\nValues: [9, "
                    "5, 8, 9]\n\nSum: {context}\nValues:",
                    ""},
    BuiltInTemplate{"code_run",
                    "This Python code has a function {func}.\n\n{context}\n\nWork out what "
                    "{func_call} returns. The value of {func_call} is",
                    ""},
    BuiltInTemplate{"code_debug",
                    "One function or method of this Python code has an error, put in on purpose, "
                    "that ends the program.\n\n{context}\n\nWhich one?\nA. {OPTION_A}\nB. "
                    "{OPTION_B}\nC. {OPTION_C}\nD. {OPTION_D}\n\nThe correct option is:",
                    ""},
    BuiltInTemplate{"longdialogue_qa_eng",
                    "In this script the name of a character was replaced in one place by "
                    "\"$$MASK$$\". Find out whose name it was.\n\n{context}\n\nThe name behind "
                    "$$MASK$$ is most likely",
                    ""},
};

// Of what is generated.
constexpr std::array kInfiniteBenchTexts = {
    Text{"noise", kRulerTexts[1].second},
    Text{"passkey_needle", "Here is the pass key: {value}. Keep {value}, the pass key, in mind."},
    Text{"passkey_input", "Which pass key does the text give?"},
    Text{"number_needle",
         "Here is the sequence of digits: {value}. Keep {value}, the sequence of digits, in mind."},
    Text{"number_input", "Which sequence of digits does the text give?"},
    Text{"kv_input", "\nKey: \"{key}\"\nThe value of this key in the JSON object is: "},
    Text{"find_input", "Write one number and nothing else. The {which} number of the list is: "},
    Text{"code_head", "\nThis is the file functions_module.py:\n\n"},
    Text{"code_input", "Write what {func_call} returns, as a number."},
};

}  // namespace

std::span<const BuiltInTemplate> built_in_templates(PromptSet set) {
  switch (set) {
    case PromptSet::ruler:
      return kRuler;
    case PromptSet::niah:
      return kNiah;
    case PromptSet::longbench:
      return kLongBench;
    case PromptSet::infinitebench:
      return kInfiniteBench;
  }
  return {};
}

std::span<const std::pair<std::string_view, std::string_view>> built_in_texts(PromptSet set) {
  switch (set) {
    case PromptSet::ruler:
      return kRulerTexts;
    case PromptSet::niah:
      return kNiahTexts;
    case PromptSet::infinitebench:
      return kInfiniteBenchTexts;
    case PromptSet::longbench:
      return {};
  }
  return {};
}

}  // namespace restkv
