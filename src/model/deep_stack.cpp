#include "model/deep_stack.h"

#include <pthread.h>
#include <sys/mman.h>

#include <exception>
#include <new>
#include <string>

#include "core/freed_memory.h"

namespace restkv {
namespace {

// Up to here the caller's own stack does: 200 to 400 bytes a character were measured.
constexpr size_t kShortText = 4096;
// From here on a tokenizer's lists of symbols are megabytes.
constexpr size_t kLongText = size_t{1} << 16;
constexpr size_t kStackPerByte = 1024;
constexpr size_t kStackBase = size_t{8} << 20;
constexpr size_t kGuard = size_t{1} << 16;

// A stack of its own, of which only the pages in use become memory; without MAP_NORESERVE the
// kernel would refuse one larger than the machine's memory.
class Stack {
 public:
  explicit Stack(size_t size) : size_(size + kGuard) {
    void* at = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (at == MAP_FAILED) return;
    base_ = static_cast<char*>(at);
    ::mprotect(base_, kGuard, PROT_NONE);
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() {
    if (base_ != nullptr) ::munmap(base_, size_);
  }

  // Runs `main(argument)` on a thread with this stack and waits for it; false if that cannot be.
  bool run(void* (*main)(void*), void* argument) {
    if (base_ == nullptr) return false;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    const bool started = pthread_attr_setstack(&attributes, base_ + kGuard, size_ - kGuard) == 0 &&
                         pthread_create(&thread, &attributes, main, argument) == 0;
    pthread_attr_destroy(&attributes);
    if (started) pthread_join(thread, nullptr);
    return started;
  }

 private:
  char* base_ = nullptr;
  size_t size_;
};

struct Call {
  const std::function<void()>& work;
  Status status;
};

void* run(void* argument) {
  Call& call = *static_cast<Call*>(argument);
  try {
    call.work();
  } catch (const std::bad_alloc&) {
    call.status = Status::capacity("no memory to tokenize the text");
  } catch (const std::exception& error) {
    call.status = Status::model(std::string("the model's tokenizer fails on this text (") +
                                error.what() + ")");
  }
  return nullptr;
}

}  // namespace

Status run_for_text(size_t text_bytes, const std::function<void()>& work) {
  Call call{work, {}};
  if (text_bytes <= kShortText) {
    run(&call);
    return call.status;
  }
  const size_t size = kStackBase + kStackPerByte * text_bytes;
  if (Stack(size).run(run, &call)) {
    if (text_bytes > kLongText) return_freed_memory();
    return call.status;
  }
  return Status::capacity("no memory to tokenize a text of " + std::to_string(text_bytes) +
                          " bytes (address space for a stack of " + std::to_string(size) +
                          " bytes is needed)");
}

}  // namespace restkv
