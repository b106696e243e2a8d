#include "pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "denormals.h"
#include "threads.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <pthread.h>
#endif

namespace elman {

namespace {

void pause_processor() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ __volatile__("yield");
#endif
}

thread_local int thread_slot = 0;

}  // namespace

// Workers wait for the job number to change: they spin for about a hundred microseconds, as training posts its next job
// within that time, and sleep after it.
//
// Joining a job: a worker first counts itself in, then looks whether the job is open; the caller first closes it, then
// waits until no worker is counted in. So a job's data are never touched after its caller has gone on.
class Pool {
 public:
  using Call = void (*)(void*, int, int);

  std::mutex lease;

  void resize(int workers) {
    if (workers == static_cast<int>(workers_.size())) return;
    stop();
    stopping_.store(false);
    make_shares(workers + 1);
    for (int i = 0; i < workers; ++i)
      workers_.emplace_back([this, i, seen = job_.load()] {
        thread_slot = i + 1;
        serve(seen);
      });
  }

  // Each thread starts with a share of its own, the same in every job, so that it finds in its caches what it worked on
  // before; who is done takes parts from the others' shares.
  void run(int parts, Call call, void* work) {
    call_ = call;
    work_ = work;
    parts_ = parts;
    for (Share& share : shares_) share.next.store(0, std::memory_order_relaxed);
    together_ = false;
    open();
    take_parts();
    close();
  }

  // All parts at once, by the caller and the workers that came within `patience_us`.
  void run_together(int most, double patience_us, Call call, void* work, Barrier& barrier) {
    call_ = call;
    work_ = work;
    entered_.store(0);
    team_.store(0);
    together_ = true;
    open();
    const auto start = std::chrono::steady_clock::now();
    const auto patience = std::chrono::duration<double, std::micro>(patience_us);
    while (entered_.load(std::memory_order_relaxed) < most - 1) {
      for (int i = 0; i < 16; ++i) pause_processor();
      if (std::chrono::steady_clock::now() - start > patience) break;
    }
    const int team = std::min(most, entered_.fetch_add(door_shut) + 1);
    barrier.reset(team);
    team_.store(team, std::memory_order_release);
    call(work, 0, team);
    close();
  }

  void wake() {
    job_.fetch_add(1);
    job_.notify_all();
  }

  // Instead of threads of its own, those of OpenMP: they come for one call of many jobs, and leave after it.
  void invite(const OpenMP& openmp, int threads) {
    make_shares(threads);
    openmp_ = openmp;
    seen_by_visitors_ = job_.load();
    stopping_.store(false);
    openmp_.start(
        [](void* self) {
          Pool& pool = *static_cast<Pool*>(self);
          const int number = pool.openmp_.number();
          if (number >= static_cast<int>(pool.shares_.size())) return;
          thread_slot = number;
          pool.serve(pool.seen_by_visitors_);
          thread_slot = 0;
        },
        this, 0);
  }

  void dismiss() {
    stopping_.store(true);
    wake();
    openmp_.end();
  }

  // In a forked child the threads are gone: forget them, and start new ones when next asked.
  void forget() {
    for (std::thread& worker : workers_) new std::thread(std::move(worker));  // never joined, so never destroyed
    workers_.clear();
    active_.store(0);
  }

 private:
  static constexpr int door_shut = 1 << 20;

  void make_shares(int threads) { std::vector<Share>(static_cast<std::size_t>(threads)).swap(shares_); }

  void open() {
    open_.store(true);
    wake();
  }

  void close() {
    open_.store(false);
    for (int spins = 0; active_.load() != 0; ++spins) spins < 20000 ? pause_processor() : std::this_thread::yield();
  }

  void take_parts() {
    const int shares = static_cast<int>(shares_.size());
    for (int i = 0; i < shares; ++i) {
      const int index = (thread_slot + i) % shares;
      const int first = parts_ * index / shares, end = parts_ * (index + 1) / shares;
      std::atomic<int>& next = shares_[static_cast<std::size_t>(index)].next;
      for (int part = first + next.fetch_add(1); part < end; part = first + next.fetch_add(1))
        call_(work_, part, parts_);
    }
  }

  void join() {
    const FlushDenormals flush;
    if (!together_) {
      take_parts();
      return;
    }
    const int index = entered_.fetch_add(1);
    if (index >= door_shut) return;
    int team = 0;
    for (int spins = 0; (team = team_.load(std::memory_order_acquire)) == 0; ++spins)
      spins < 20000 ? pause_processor() : std::this_thread::yield();
    if (index + 1 < team) call_(work_, index + 1, team);
  }

  void serve(unsigned seen) {
    for (;;) {
      for (int spins = 0; job_.load() == seen; ++spins) {
        if (spins < 5000)
          pause_processor();
        else
          job_.wait(seen);
      }
      seen = job_.load();
      if (stopping_.load()) return;
      active_.fetch_add(1);
      if (open_.load()) join();
      active_.fetch_sub(1);
    }
  }

  void stop() {
    stopping_.store(true);
    wake();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  struct alignas(64) Share {
    std::atomic<int> next{0};
  };

  std::vector<std::thread> workers_;
  std::vector<Share> shares_;
  Call call_ = nullptr;
  void* work_ = nullptr;
  int parts_ = 0;
  bool together_ = false;
  OpenMP openmp_;
  unsigned seen_by_visitors_ = 0;
  std::atomic<bool> stopping_{false}, open_{false};
  alignas(64) std::atomic<unsigned> job_{0};
  alignas(64) std::atomic<int> active_{0};
  alignas(64) std::atomic<int> entered_{0};
  std::atomic<int> team_{0};
};

namespace {

// Both are kept until the process ends: threads may still sleep in them then.
Pool* pool = nullptr;     // with threads of its own
Pool* visited = nullptr;  // with those of OpenMP
OpenMP known_openmp;
std::mutex pools_made;

Pool& the_pool(Pool*& one) {
  const std::lock_guard<std::mutex> guard(pools_made);
  if (!one) {
    one = new Pool;
#if defined(__linux__)
    static const int once = pthread_atfork(nullptr, nullptr, [] {
      for (Pool* each : {pool, visited})
        if (each) {
          each->forget();
          new (&each->lease) std::mutex;
        }
      known_openmp = {};  // a child would wait for its threads for ever
    });
    static_cast<void>(once);
#endif
  }
  return *one;
}

}  // namespace

void Barrier::wait() {
  const int round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins)
    spins < 4000 ? pause_processor() : std::this_thread::yield();
}

void set_openmp(OpenMP openmp) { known_openmp = openmp; }

Team::Team() {
  const int count = threads();
  if (count > 1 && lease(the_pool(elman::pool), count)) pool_->resize(count - 1);
}

Team::Team(Hosted most) {
  const int count = std::min(most.threads, threads());
  if (count <= 1) return;
  hosted_ = known_openmp.start != nullptr;
  if (lease(the_pool(hosted_ ? visited : elman::pool), count) && !hosted_) pool_->resize(count - 1);
}

bool Team::lease(Pool& pool, int threads) {
  if (!pool.lease.try_lock()) return false;
  pool_ = &pool;
  size_ = threads;
  return true;
}

Team::~Team() {
  if (visitors_) pool_->dismiss();
  if (pool_) pool_->lease.unlock();
}

// Visitors come when there is something to do.
Pool& Team::ready() {
  if (hosted_ && !visitors_) {
    pool_->invite(known_openmp, size_);
    visitors_ = true;
  }
  return *pool_;
}

void Team::wake() {
  if (size_ > 1) ready().wake();
}

int Team::slot() { return thread_slot; }

void Team::post(int parts, Call call, void* work) { ready().run(parts, call, work); }

void Team::post_together(int most, double patience_us, Call call, void* work) {
  ready().run_together(std::min(most, size_), patience_us, call, work, barrier_);
}

}  // namespace elman
