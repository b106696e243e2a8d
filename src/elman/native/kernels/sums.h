// Sums over many rows or numbers, in an order that only their shape decides.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/kernels.h"

namespace elman::ELMAN_TARGET {

// In each of a block's rows by turns, four sums at once: so each is a shorter chain too.
template <class T, int V>
ELMAN_INLINE void column_sums_of(const T* a, int64_t stride, int64_t k, T* total) {
  constexpr int W = Vec<T>::width, chains = 4;
  Vec<T> sums[V];
  for (int j = 0; j < V; ++j) sums[j] = Vec<T>::set(T(0));
  for (int64_t k0 = 0; k0 < k; k0 += chain) {
    const int64_t rows = k - k0 < chain ? k - k0 : chain;
    Vec<T> partial[chains][V];
#pragma GCC unroll 4
    for (int c = 0; c < chains; ++c)
#pragma GCC unroll 4
      for (int j = 0; j < V; ++j) partial[c][j] = Vec<T>::set(T(0));
    int64_t i = 0;
    for (; i + chains <= rows; i += chains, a += chains * stride)
#pragma GCC unroll 4
      for (int c = 0; c < chains; ++c)
#pragma GCC unroll 4
        for (int j = 0; j < V; ++j) partial[c][j] = partial[c][j] + Vec<T>::load(a + c * stride + j * W);
    for (; i < rows; ++i, a += stride)
#pragma GCC unroll 4
      for (int j = 0; j < V; ++j) partial[0][j] = partial[0][j] + Vec<T>::load(a + j * W);
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) sums[j] = sums[j] + ((partial[0][j] + partial[1][j]) + (partial[2][j] + partial[3][j]));
  }
  for (int j = 0; j < V; ++j) sums[j].store(total + j * W);
}

template <class T>
void column_sums(const T* a, int64_t stride, int64_t k, T* total, int64_t v0, int64_t v1) {
  constexpr int W = Vec<T>::width, side = 4;
  int64_t v = v0;
  for (; v + side <= v1; v += side) column_sums_of<T, side>(a + v * W, stride, k, total + v * W);
  for (; v < v1; ++v) column_sums_of<T, 1>(a + v * W, stride, k, total + v * W);
}

template <class T>
double sum_of_squares(const T* p, int64_t n) {
  VecD total = VecD::set(0.0);
  for_vectors<T>(
      0, n, [&](int64_t i) { total = add_squares(total, Vec<T>::load(p + i)); },
      [&](int64_t i, int64_t m) { total = add_squares(total, Vec<T>::load_part(p + i, m)); });
  return sum(total);
}

}  // namespace elman::ELMAN_TARGET
