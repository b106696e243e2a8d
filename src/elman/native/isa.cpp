#include "isa.h"

#include <cstdlib>
#include <mutex>
#include <stdexcept>

#if defined(_M_X64)
#include <intrin.h>
#endif

namespace elman {

namespace {

#if defined(__x86_64__) && defined(__GNUC__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
#elif defined(_M_X64)
// Bit `bit` of a register that CPUID fills: 0 to 3 for EAX to EDX.
bool cpuid_bit(int leaf, int which, int bit) {
  int registers[4];
  __cpuidex(registers, leaf, 0);
  return (registers[which] >> bit & 1) != 0;
}
// Whether the system keeps these registers when it changes between threads.
bool system_saves(unsigned long long mask) { return cpuid_bit(1, 2, 27) && (_xgetbv(0) & mask) == mask; }
bool has_avx2() { return system_saves(0x6) && cpuid_bit(1, 2, 12) && cpuid_bit(7, 1, 5); }
bool has_avx512() {
  return has_avx2() && system_saves(0xe6) && cpuid_bit(7, 1, 16) && cpuid_bit(7, 1, 17) && cpuid_bit(7, 1, 30) &&
         cpuid_bit(7, 1, 31);
}
#else
bool has_avx2() { return false; }
bool has_avx512() { return false; }
#endif

template <class T>
const Kernels<T>* kernels_by_name(const std::string& name) {
  if (name == "avx512") return avx512_kernels<T>();
  if (name == "avx2") return avx2_kernels<T>();
  if (name == "neon") return neon_kernels<T>();
  return plain_kernels<T>();
}

std::mutex chosen_guard;
std::string chosen;

std::string checked(const std::string& name) {
  const std::vector<std::string> known = available_isas();
  std::string list;
  for (const std::string& isa : known) {
    if (isa == name) return name;
    list += (list.empty() ? "" : ", ") + isa;
  }
  throw std::invalid_argument("`ELMAN_ISA` must be one of " + list + " on this machine; got '" + name + "'");
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  if (avx512_kernels<float>() && has_avx512()) names.push_back("avx512");
  if (avx2_kernels<float>() && has_avx2()) names.push_back("avx2");
  if (neon_kernels<float>()) names.push_back("neon");
  names.push_back("baseline");
  return names;
}

std::string current_isa() {
  const std::lock_guard<std::mutex> guard(chosen_guard);
  if (chosen.empty()) {
    const char* forced = std::getenv("ELMAN_ISA");
    chosen = forced && *forced ? checked(forced) : available_isas().front();
  }
  return chosen;
}

void set_isa(const std::string& name) {
  const std::string known = checked(name);
  const std::lock_guard<std::mutex> guard(chosen_guard);
  chosen = known;
}

template <class T>
const Kernels<T>& kernels_for(int64_t hidden) {
  std::string name = current_isa();
  if (name == "avx512" && hidden * static_cast<int64_t>(sizeof(T)) <= 32 && avx2_kernels<T>()) name = "avx2";
  return *kernels_by_name<T>(name);
}

template const Kernels<float>& kernels_for<float>(int64_t);
template const Kernels<double>& kernels_for<double>(int64_t);

}  // namespace elman
