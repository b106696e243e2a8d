// Dropout masks that depend on nothing but their place; the twin of elman/engines/dropout.py, number for number.
#pragma once

#include <cstdint>

namespace elman {

// SplitMix64's output function (Steele, Lea, Flood 2014).
inline uint64_t splitmix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// The mask of one layer in one update: element k is kept where the k-th number lies below the keep probability.
class DropoutMask {
 public:
  DropoutMask(uint64_t seed, uint64_t update, uint64_t layer, double dropout)
      : start_(splitmix(splitmix(splitmix(seed + gamma) + update + gamma) + layer + gamma)),
        keep_probability_(1.0 - dropout),
        scale_(1.0 / (1.0 - dropout)) {}

  double operator()(uint64_t k) const {
    const uint64_t bits = splitmix(start_ + (k + 1) * gamma) >> 40;
    return static_cast<double>(bits) * 0x1p-24 < keep_probability_ ? scale_ : 0.0;
  }

 private:
  static constexpr uint64_t gamma = 0x9E3779B97F4A7C15ull;
  uint64_t start_;
  double keep_probability_, scale_;
};

}  // namespace elman
