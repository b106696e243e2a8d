// The library's own threads. One pool for the process; a call leases it as a Team, or works alone where it is taken.
//
// Results never depend on the threads: work is cut into parts by shape alone, and whoever is free takes the next part.
// So a thread that sleeps, or that other programs keep from running, costs only its help: the caller does its share.
#pragma once

#include <cstdint>
#include <type_traits>

#include "barrier.h"

namespace elman {

// The threads of the OpenMP library that another library in this process works with. Between two parallel operations
// they spin for some milliseconds, and a second pool beside them would have to share their processors with that.
struct OpenMP {
  void (*start)(void (*work)(void*), void* data, unsigned threads) = nullptr;  // GOMP_parallel_start
  void (*end)() = nullptr;                                                     // GOMP_parallel_end
  int (*number)() = nullptr;                                                   // omp_get_thread_num
};

// What teams of `Team::Hosted` work with from now on; without it, and in a forked child, the library's own threads.
void set_openmp(OpenMP openmp);

class Pool;

// The calling thread and the pool's, for the length of one call.
class Team {
 public:
  struct Alone {};
  struct Hosted {
    int threads;
  };
  Team();                             // `threads()`
  explicit Team(Hosted most);         // no more than that either, the threads of OpenMP where they are known
  explicit Team(Alone) : size_(1) {}  // the caller by itself
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }

  // Tell sleeping threads that there will be work soon: they take some ten microseconds to wake.
  void wake();

  // Which thread of a team this one is, from 0, the caller: for scratch memory that no other thread uses meanwhile.
  static int slot();

  // work(part, parts) for each part, on as many threads as come; returns when all are done.
  template <class F>
  void run(int parts, F&& work) {
    if (parts <= 1 || size_ == 1) {
      for (int part = 0; part < parts; ++part) work(part, parts);
      return;
    }
    post(parts, caller<F>(), address(work));
  }

  // work(from, to) on shares of [0, count), each a whole number of `grain`s.
  template <class F>
  void share(int parts, int64_t count, int64_t grain, F&& work) {
    const int64_t grains = (count + grain - 1) / grain;
    const int most = static_cast<int>(grains < parts ? grains : parts);
    run(most, [&](int part, int all) {
      const int64_t from = grains * part / all * grain, to = grains * (part + 1) / all * grain;
      work(from, to < count ? to : count);
    });
  }

  // work(part, parts, barrier) on threads that run side by side and meet at the barrier. `parts` is how many of `most`
  // were there in time: none but the caller, maybe, so the result must not depend on it either.
  template <class F>
  void together(int most, double patience_us, F&& work) {
    const auto call = [&](int part, int parts) { work(part, parts, barrier_); };
    if (most <= 1 || size_ == 1) {
      barrier_.reset(1);
      call(0, 1);
      return;
    }
    post_together(most, patience_us, caller<decltype(call)>(), address(call));
  }

 private:
  using Call = void (*)(void*, int, int);

  template <class F>
  static Call caller() {
    using Work = std::remove_reference_t<F>;
    return [](void* f, int part, int all) { (*static_cast<Work*>(f))(part, all); };
  }
  template <class F>
  static void* address(F& work) {
    return const_cast<void*>(static_cast<const void*>(&work));
  }
  void post(int parts, Call call, void* work);
  void post_together(int most, double patience_us, Call call, void* work);

  bool lease(Pool& pool, int threads);
  Pool& ready();

  int size_ = 1;
  bool hosted_ = false, visitors_ = false;
  Pool* pool_ = nullptr;
  Barrier barrier_{1};
};

}  // namespace elman
