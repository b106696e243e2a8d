#include "threads.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <thread>
#include <utility>

#if defined(__linux__)
#include <sched.h>
#endif

namespace elman {

namespace {

#if defined(__linux__)
int read_number(const char* path, int otherwise) {
  int value = otherwise;
  if (std::FILE* file = std::fopen(path, "r")) {
    if (std::fscanf(file, "%d", &value) != 1) value = otherwise;
    std::fclose(file);
  }
  return value;
}

// Cores, not hardware threads: two threads of one core share the units that the kernels keep busy.
int physical_cores() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return static_cast<int>(std::thread::hardware_concurrency());
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    char path[96];
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
    const int package = read_number(path, 0);
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
    cores.insert({package, read_number(path, 1000000 + cpu)});
  }
  int count = static_cast<int>(cores.size());
  if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {  // a container's share of the machine
    long quota = 0, period = 0;
    if (std::fscanf(file, "%ld %ld", &quota, &period) == 2 && period > 0)
      count = std::min(count, std::max(1, static_cast<int>(quota / period)));
    std::fclose(file);
  }
  return count;
}
#else
int physical_cores() { return static_cast<int>(std::thread::hardware_concurrency()); }
#endif

// A count above 0 in the environment, else 0; of a list, as OpenMP has it for nested levels, the first.
int number_in(const char* name) {
  const char* text = std::getenv(name);
  return text ? std::max(0, std::atoi(text)) : 0;
}

std::atomic<int> thread_count{0};  // 0 until somebody calls `threads`

}  // namespace

int default_threads() {
  if (const int exact = number_in("ELMAN_NUM_THREADS")) return exact;
  const int cores = std::max(1, physical_cores());
  const int limit = number_in("OMP_NUM_THREADS");
  return limit ? std::min(limit, cores) : cores;
}

int threads() {
  if (thread_count.load() == 0) thread_count.store(default_threads());
  return thread_count.load();
}

void set_threads(int count) { thread_count.store(std::max(1, count)); }

}  // namespace elman
