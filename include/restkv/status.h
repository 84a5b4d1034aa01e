// Errors as values. Nothing in the library prints, exits or lets an exception escape because of
// user input: a function that can fail returns Status, or Result<T> when it also yields a value.
//
// Thread safety: Status and Result are plain values.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace restkv {

// Each kind maps to one exit code of the command line (see exit_code below).
enum class ErrorKind {
  runtime,   // computing, reading or writing failed
  usage,     // an option or an argument is wrong
  model,     // a model or another input file is rejected
  capacity,  // the budget, the context or the memory makes the request impossible
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(ErrorKind kind, std::string message)
      : failed_(true), kind_(kind), message_(std::move(message)) {}

  static Status runtime(std::string m) { return {ErrorKind::runtime, std::move(m)}; }
  static Status usage(std::string m) { return {ErrorKind::usage, std::move(m)}; }
  static Status model(std::string m) { return {ErrorKind::model, std::move(m)}; }
  static Status capacity(std::string m) { return {ErrorKind::capacity, std::move(m)}; }

  bool ok() const { return !failed_; }
  ErrorKind kind() const { return kind_; }
  // One line: what was wrong, the value, and what is allowed. Empty when ok.
  const std::string& message() const { return message_; }

 private:
  bool failed_ = false;
  ErrorKind kind_ = ErrorKind::runtime;
  std::string message_;
};

// 1 runtime, 2 usage, 3 model or input file, 4 budget, context or memory.
inline int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::runtime:
      return 1;
    case ErrorKind::usage:
      return 2;
    case ErrorKind::model:
      return 3;
    case ErrorKind::capacity:
      return 4;
  }
  return 1;
}

// A value or the reason why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : data_(std::move(value)) {}         // NOLINT: implicit on purpose
  Result(Status status) : data_(std::move(status)) {}  // NOLINT: REQUIRES !status.ok()

  bool ok() const { return std::holds_alternative<T>(data_); }
  T& value() { return std::get<T>(data_); }
  const T& value() const { return std::get<T>(data_); }
  T* operator->() { return &value(); }
  T& operator*() { return value(); }
  const T* operator->() const { return &value(); }
  const T& operator*() const { return value(); }
  Status status() const { return ok() ? Status() : std::get<Status>(data_); }

 private:
  std::variant<T, Status> data_;
};

}  // namespace restkv

// Leaves the enclosing function when `expr` is a failed Status.
#define RESTKV_RETURN_IF_ERROR(expr)                                    \
  do {                                                                  \
    if (::restkv::Status restkv_status = (expr); !restkv_status.ok()) { \
      return restkv_status;                                             \
    }                                                                   \
  } while (false)

// Declares `lhs` from a Result, or leaves the enclosing function with its Status.
#define RESTKV_ASSIGN_OR_RETURN(lhs, expr) \
  RESTKV_ASSIGN_OR_RETURN_IMPL(RESTKV_CONCAT(restkv_result_, __LINE__), lhs, expr)
#define RESTKV_CONCAT_IMPL(a, b) a##b
#define RESTKV_CONCAT(a, b) RESTKV_CONCAT_IMPL(a, b)
#define RESTKV_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                                 \
  if (!tmp.ok()) return tmp.status();                \
  lhs = std::move(*tmp)
