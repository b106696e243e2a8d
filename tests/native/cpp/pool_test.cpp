// The thread pool by itself, for the thread sanitizer: jobs of all kinds, from several callers, with the pool resized
// between them. Prints nothing and returns 0 where every part was done exactly once.
#include <atomic>
#include <thread>
#include <vector>

#include "pool.h"

namespace {

bool parts_are_done_once(int parts) {
  std::vector<int> done(static_cast<std::size_t>(parts), 0);
  elman::Team team;
  team.run(parts, [&](int part, int) { ++done[static_cast<std::size_t>(part)]; });
  for (const int count : done)
    if (count != 1) return false;
  return true;
}

// Each round adds up what the others wrote in the round before: wrong unless all meet between rounds.
bool threads_meet(int most) {
  constexpr int rounds = 50;
  std::vector<int> now(static_cast<std::size_t>(most), 1), next(static_cast<std::size_t>(most), 0);
  int size = 0;
  elman::Team team;
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

}  // namespace

int main() {
  std::atomic<bool> right{true};
  for (int threads = 1; threads <= 4; ++threads) {
    elman::set_threads(threads);
    for (int i = 0; i < 300; ++i)
      if (!parts_are_done_once(1 + i % 7) || !threads_meet(4)) right = false;
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; ++caller)
      callers.emplace_back([&right] {
        for (int i = 0; i < 200; ++i)
          if (!parts_are_done_once(5) || !threads_meet(2)) right = false;
      });
    for (std::thread& caller : callers) caller.join();
  }
  return right ? 0 : 1;
}
