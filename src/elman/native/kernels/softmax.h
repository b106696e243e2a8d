// The softmax of a row of logits.
#pragma once

#include <math.h>

#include "kernels/activations.h"
#include "kernels/elementwise.h"
#include "kernels/kernels.h"

namespace elman::ELMAN_TARGET {

template <class T>
SoftmaxResult softmax(const T* logits, T* out, int64_t n) {
  using V = Vec<T>;
  constexpr int W = V::width;
  T largest = logits[0];
  for (int64_t i = 1; i < n; ++i) largest = logits[i] > largest ? logits[i] : largest;
  const V top = V::set(largest);
  V totals = V::set(T(0));
  T rest = T(0);
  for_vectors<T>(
      0, n,
      [&](int64_t i) {
        const V e = exp_negative(V::load(logits + i) - top);
        e.store(out + i);
        totals = totals + e;
      },
      [&](int64_t i, int64_t m) {
        alignas(64) T lanes[W];
        exp_negative(V::load_part(logits + i, m) - top).store(lanes);
        for (int64_t j = 0; j < m; ++j) {
          out[i + j] = lanes[j];
          rest += lanes[j];
        }
      });
  const T total = sum(totals) + rest;
  scale(out, T(1) / total, n);
  return {::log(static_cast<double>(total)), static_cast<double>(largest)};
}

}  // namespace elman::ELMAN_TARGET
