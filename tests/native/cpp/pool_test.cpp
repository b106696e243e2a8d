// The thread pool by itself, for the thread sanitizer: jobs of all kinds, from several callers, with the pool resized
// between them, by threads of its own and by visitors. Prints nothing and returns 0 where every part was done exactly
// once.
#include <atomic>
#include <thread>
#include <vector>

#include "pool.h"
#include "threads.h"

namespace {

// What stands in for OpenMP: as many threads for each region as `wanted`, beside the caller.
struct Regions {
  static constexpr int wanted = 3;
  static inline thread_local int number = 0;
  static inline std::vector<std::thread> threads;

  static void start(void (*work)(void*), void* data, unsigned) {
    for (int i = 1; i < wanted; ++i)
      threads.emplace_back([=] {
        number = i;
        work(data);
      });
  }
  static void end() {
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }
  static int get_number() { return number; }
};

bool parts_are_done_once(int parts) {
  std::vector<int> done(static_cast<std::size_t>(parts), 0);
  elman::Team team{elman::Team::Hosted{elman::threads()}};
  for (int round = 0; round < 2; ++round)
    team.run(parts, [&](int part, int) { ++done[static_cast<std::size_t>(part)]; });
  for (const int count : done)
    if (count != 2) return false;
  return true;
}

// Each round adds up what the others wrote in the round before: wrong unless all meet between rounds.
bool threads_meet(int most) {
  constexpr int rounds = 50;
  std::vector<int> now(static_cast<std::size_t>(most), 1), next(static_cast<std::size_t>(most), 0);
  int size = 0;
  elman::Team team{elman::Team::Hosted{elman::threads()}};
  team.wake();
  team.together(most, 50.0, [&](int part, int parts, elman::Barrier& barrier) {
    if (part == 0) size = parts;
    auto* from = &now;
    auto* to = &next;
    for (int round = 0; round < rounds; ++round) {
      int total = 0;
      for (int i = 0; i < parts; ++i) total += (*from)[static_cast<std::size_t>(i)];
      (*to)[static_cast<std::size_t>(part)] = total % 1000;
      barrier.wait();
      std::swap(from, to);
    }
  });
  int expected = 1;
  for (int round = 0; round < rounds; ++round) expected = expected * size % 1000;
  for (int i = 0; i < size; ++i)
    if (now[static_cast<std::size_t>(i)] != expected) return false;
  return true;
}

bool all_is_right(int threads, int rounds) {
  std::atomic<bool> right{true};
  elman::set_threads(threads);
  for (int i = 0; i < rounds; ++i)
    if (!parts_are_done_once(1 + i % 7) || !threads_meet(4)) right = false;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] {
      for (int i = 0; i < rounds; ++i)
        if (!parts_are_done_once(5) || !threads_meet(2)) right = false;
    });
  for (std::thread& caller : callers) caller.join();
  return right;
}

}  // namespace

int main() {
  bool right = true;
  for (int threads = 1; threads <= 4; ++threads) right = all_is_right(threads, 300) && right;
  elman::set_openmp({Regions::start, Regions::end, Regions::get_number});
  for (int threads = 1; threads <= 4; ++threads) right = all_is_right(threads, 60) && right;
  return right ? 0 : 1;
}
