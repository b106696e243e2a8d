// Memory for the kernels: aligned to a cache line, growing and never shrinking, so that a call in a loop allocates
// nothing after its first turn.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace elman {

// Whether buffers are filled with not-a-number each time they are asked for: tests then see what was never written.
inline std::atomic<bool> poison_buffers{false};

template <class T>
class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { release(); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer& operator=(Buffer&&) = delete;

  // At least `count` numbers; what they were before is lost.
  T* reserve(int64_t count) {
    if (count > size_) {
      release();
      const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
      aligned_ = bytes >= huge ? huge : 64;
      data_ = static_cast<T*>(::operator new(bytes, std::align_val_t{aligned_}));
#if defined(__linux__)
      // Large pages, where the system grants them: a walk down a column of a big matrix meets a new page every row.
      if (bytes >= huge) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
      size_ = count;
    }
    if (poison_buffers.load(std::memory_order_relaxed))
      for (int64_t i = 0; i < count; ++i) data_[i] = std::numeric_limits<T>::quiet_NaN();
    return data_;
  }

  T* zeros(int64_t count) {
    reserve(count);
    for (int64_t i = 0; i < count; ++i) data_[i] = T(0);
    return data_;
  }

  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(aligned_, other.aligned_);
  }

  T* data() const { return data_; }
  int64_t bytes() const { return size_ * static_cast<int64_t>(sizeof(T)); }

 private:
  static constexpr std::size_t huge = std::size_t{1} << 21;

  void release() {
    if (data_) ::operator delete(data_, std::align_val_t{aligned_});
    data_ = nullptr;
    size_ = 0;
  }

  T* data_ = nullptr;
  int64_t size_ = 0;
  std::size_t aligned_ = 64;
};

}  // namespace elman
