#include "model/weights.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ggml-cpu.h"

namespace restkv {
namespace {

std::vector<ggml_backend_buffer_type_t> extra_buffer_types(ggml_backend_dev_t device) {
  using GetExtra = ggml_backend_buffer_type_t* (*)(ggml_backend_dev_t);
  const auto get_extra = reinterpret_cast<GetExtra>(ggml_backend_reg_get_proc_address(
      ggml_backend_dev_backend_reg(device), "ggml_backend_dev_get_extra_bufts"));
  std::vector<ggml_backend_buffer_type_t> types;
  if (get_extra == nullptr) return types;
  for (auto* type = get_extra(device); type != nullptr && *type != nullptr; ++type) {
    types.push_back(*type);
  }
  return types;
}

// Asks the device whether it multiplies `weight` from a buffer of `type`. The question needs a
// tensor that claims to lie in such a buffer, hence the empty one.
bool multiplies_from(ggml_backend_dev_t device, ggml_backend_buffer_type_t type,
                     const ggml_tensor* weight) {
  const ggml_init_params params{ggml_tensor_overhead() * 4, nullptr, true};
  ggml_context_ptr context(ggml_init(params));
  ggml_tensor* w = ggml_dup_tensor(context.get(), weight);
  ggml_tensor* x = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, w->ne[0], 512);
  ggml_tensor* product = ggml_mul_mat(context.get(), w, x);
  ggml_backend_buffer_ptr buffer(ggml_backend_buft_alloc_buffer(type, 0));
  w->buffer = buffer.get();
  const bool supported = ggml_backend_dev_supports_op(device, product);
  w->buffer = nullptr;
  return supported;
}

bool is_matrix(const ggml_tensor* tensor) {
  return ggml_n_dims(tensor) == 2 && std::strstr(tensor->name, "norm") == nullptr;
}

}  // namespace

Result<std::unique_ptr<MappedFile>> MappedFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Status::model("cannot open " + path + ": " + std::strerror(errno));
  struct stat info {};
  void* data = MAP_FAILED;
  if (fstat(fd, &info) == 0 && info.st_size > 0) {
    data = mmap(nullptr, info.st_size, PROT_READ, MAP_SHARED, fd, 0);
  }
  const int error = errno;
  close(fd);
  if (data == MAP_FAILED) {
    return Status::model("cannot map " + path + ": " + std::strerror(error));
  }
  return std::unique_ptr<MappedFile>(
      new MappedFile(static_cast<std::byte*>(data), static_cast<size_t>(info.st_size)));
}

MappedFile::~MappedFile() {
  munmap(data_, size_);
}

Result<std::unique_ptr<Weights>> Weights::load(const std::string& path, gguf_context* metadata,
                                               ggml_context_ptr tensors,
                                               StaysInFile stays_in_file) {
  auto weights = std::make_unique<Weights>();
  RESTKV_ASSIGN_OR_RETURN(weights->file_, MappedFile::open(path));
  MappedFile& file = *weights->file_;
  weights->file_buffer_.reset(ggml_backend_cpu_buffer_from_ptr(file.data(), file.size()));
  if (!weights->file_buffer_) return Status::capacity("no memory for the model's buffers");
  const size_t data_at = gguf_get_data_offset(metadata);
  for (int64_t i = 0; i < gguf_get_n_tensors(metadata); ++i) {
    ggml_tensor* tensor = ggml_get_tensor(tensors.get(), gguf_get_tensor_name(metadata, i));
    const size_t at = data_at + gguf_get_tensor_offset(metadata, i);
    if (at > file.size() || ggml_nbytes(tensor) > file.size() - at) {
      return Status::model(path + " is shorter than its tensors say");
    }
    ggml_backend_tensor_alloc(weights->file_buffer_.get(), tensor, file.data() + at);
  }
  ggml_backend_buffer_set_usage(weights->file_buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
  weights->tensors_ = std::move(tensors);
  RESTKV_RETURN_IF_ERROR(weights->repack(stays_in_file));
  return weights;
}

Status Weights::repack(StaysInFile stays_in_file) {
  ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  if (device == nullptr) return Status::runtime("ggml has no CPU backend");
  const bool tied = ggml_get_tensor(tensors_.get(), "output.weight") == nullptr;
  for (ggml_backend_buffer_type_t type : extra_buffer_types(device)) {
    std::vector<ggml_tensor*> chosen;
    for (ggml_tensor* t = ggml_get_first_tensor(tensors_.get()); t != nullptr;
         t = ggml_get_next_tensor(tensors_.get(), t)) {
      // The embedding table is looked up, not multiplied, unless it is the output head as well.
      const bool multiplied = tied || std::strcmp(t->name, "token_embd.weight") != 0;
      if (is_matrix(t) && multiplied && !stays_in_file(t->type) && repacked_.count(t->name) == 0 &&
          multiplies_from(device, type, t)) {
        chosen.push_back(t);
      }
    }
    if (chosen.empty()) continue;
    ggml_context_ptr context(ggml_init({ggml_tensor_overhead() * chosen.size(), nullptr, true}));
    for (ggml_tensor* t : chosen) {
      repacked_[t->name] = ggml_set_name(ggml_dup_tensor(context.get(), t), t->name);
    }
    ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors_from_buft(context.get(), type));
    if (!buffer) return Status::capacity("no memory for the repacked weights");
    ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    for (ggml_tensor* t : chosen) {
      ggml_backend_tensor_set(repacked_[t->name], t->data, 0, ggml_nbytes(t));
      // The file's pages are not needed again, but for the few that the policy dequantises.
      const size_t page = 4096;
      auto begin = (reinterpret_cast<uintptr_t>(t->data) + page - 1) / page * page;
      const auto end = (reinterpret_cast<uintptr_t>(t->data) + ggml_nbytes(t)) / page * page;
      if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    repacked_contexts_.push_back(std::move(context));
    repacked_buffers_.push_back(std::move(buffer));
  }
  return {};
}

Matrix Weights::matrix(const std::string& name) const {
  const auto found = repacked_.find(name);
  ggml_tensor* file = plain(name);
  return {found != repacked_.end() ? found->second : file, file};
}

ggml_tensor* Weights::plain(const std::string& name) const {
  return ggml_get_tensor(tensors_.get(), name.c_str());
}

void Weights::dequantize_columns(const std::string& name, int64_t first, int64_t count,
                                 float* out) const {
  const ggml_tensor* tensor = plain(name);
  const auto* row = static_cast<const std::byte*>(tensor->data);
  row += ggml_row_size(tensor->type, first);
  const auto to_float = ggml_get_type_traits(tensor->type)->to_float;
  for (int64_t r = 0; r < tensor->ne[1]; ++r, row += tensor->nb[1], out += count) {
    if (tensor->type == GGML_TYPE_F32) {
      std::memcpy(out, row, count * sizeof(float));
    } else {
      to_float(row, out, count);
    }
  }
}

}  // namespace restkv
