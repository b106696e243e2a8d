// A meeting point for the threads of one walk: all must arrive before any goes on.
#pragma once

#include <atomic>

namespace elman {

// Spins for some microseconds, then gives its time slice away, so that a crowded machine loses time but not its way.
// Defined in pool.cpp, not here: kernel files are compiled for newer processors and must not emit shared code.
class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}
  void reset(int threads) { threads_ = threads; }
  void wait();

 private:
  int threads_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<int> round_{0};
};

}  // namespace elman
