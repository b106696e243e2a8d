// Passes over plain blocks of numbers, each number by itself.
#pragma once

#include "cells/list.h"
#include "kernels/simd.h"

namespace elman::ELMAN_TARGET {

// For each vector of n numbers: whole(from) for whole vectors, part(from, count) for what is left.
template <class T, class Whole, class PartOf>
ELMAN_INLINE void for_vectors(int64_t from, int64_t to, Whole whole, PartOf part) {
  constexpr int W = Vec<T>::width;
  int64_t i = from;
  for (; i + W <= to; i += W) whole(i);
  if (i < to) part(i, to - i);
}

template <class T>
void add(T* into, const T* from, int64_t n) {
  using V = Vec<T>;
  for_vectors<T>(
      0, n, [&](int64_t i) { (V::load(into + i) + V::load(from + i)).store(into + i); },
      [&](int64_t i, int64_t m) { (V::load_part(into + i, m) + V::load_part(from + i, m)).store_part(into + i, m); });
}

template <class T>
void multiply(T* out, const T* a, const T* b, int64_t n) {
  using V = Vec<T>;
  for_vectors<T>(
      0, n, [&](int64_t i) { (V::load(a + i) * V::load(b + i)).store(out + i); },
      [&](int64_t i, int64_t m) { (V::load_part(a + i, m) * V::load_part(b + i, m)).store_part(out + i, m); });
}

template <class T>
void scale(T* p, T factor, int64_t n) {
  using V = Vec<T>;
  const V f = V::set(factor);
  for_vectors<T>(
      0, n, [&](int64_t i) { (V::load(p + i) * f).store(p + i); },
      [&](int64_t i, int64_t m) { (V::load_part(p + i, m) * f).store_part(p + i, m); });
}

template <class T>
void clip(T* p, T limit, int64_t n) {
  using V = Vec<T>;
  const V high = V::set(limit), low = V::set(-limit);
  // The number itself stands second in max and min, so that what is not a number stays so.
  for_vectors<T>(
      0, n, [&](int64_t i) { min(high, max(low, V::load(p + i))).store(p + i); },
      [&](int64_t i, int64_t m) { min(high, max(low, V::load_part(p + i, m))).store_part(p + i, m); });
}

// The nonlinearity of an elman cell; false for other cells.
template <class T>
bool activate(Cell cell, const T* in, T* out, int64_t n) {
  using V = Vec<T>;
  const auto all = [&](auto nonlinearity) {
    using F = decltype(nonlinearity);
    for_vectors<T>(
        0, n, [&](int64_t i) { F::value(V::load(in + i)).store(out + i); },
        [&](int64_t i, int64_t m) { F::value(V::load_part(in + i, m)).store_part(out + i, m); });
    return true;
  };
  switch (cell) {
#define ELMAN_CELL_ACTIVATE(name, Kernel)                                                           \
  case Cell::name:                                                                                  \
    if constexpr (Kernel<T>::facts.has_tiny_kernel) return all(typename Kernel<T>::Nonlinearity{}); \
    break;
    ELMAN_CELLS(ELMAN_CELL_ACTIVATE)
#undef ELMAN_CELL_ACTIVATE
  }
  return false;
}

}  // namespace elman::ELMAN_TARGET
