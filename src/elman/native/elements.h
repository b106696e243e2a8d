// Passes over plain blocks of numbers: packing, sums, clipping, optimiser updates, softmax.
#pragma once

#include <math.h>

#include "activations.h"
#include "kernels.h"

namespace elman::ELMAN_TARGET {

template <class T>
void pack_transposed(T* dst, int64_t stride, const T* source, int64_t ld, int64_t count, int64_t k) {
  constexpr int W = Vec<T>::width;
  int64_t done = 0;
  for (; done + W <= k; done += W) {
    Vec<T> block[W];
    for (int i = 0; i < W; ++i) block[i] = i < count ? Vec<T>::load(source + i * ld + done) : Vec<T>::set(T(0));
    transpose(block);
    for (int i = 0; i < W; ++i) block[i].store(dst + (done + i) * stride);
  }
  for (int64_t lane = 0; lane < W; ++lane)
    for (int64_t i = done; i < k; ++i) dst[i * stride + lane] = lane < count ? source[lane * ld + i] : T(0);
}

// Row by row, so that the source is read as it lies in memory.
template <class T>
void pack_rows(T* dst, const Panels<T>& panels, int64_t inner, int64_t to, const T* source, int64_t ld, int64_t piece,
               int64_t count) {
  constexpr int W = Vec<T>::width;
  for (int64_t k = 0; k < count; ++k) {
    const T* row = source + k * ld;
    int64_t left = piece;
    for (int64_t first = 0; first < panels.vectors; first += panels.per_panel) {
      const int64_t wide = panels.vectors - first < panels.per_panel ? panels.vectors - first : panels.per_panel;
      T* place = dst + (first * inner + (to + k) * wide) * W;
      for (int64_t v = 0; v < wide; ++v, place += W) {
        if (left > W) {
          Vec<T>::load(row).store(place);
          row += W;
          left -= W;
        } else {
          Vec<T>::load_part(row, left).store(place);
          row += left;
          left = piece;
        }
      }
    }
  }
}

// For each vector of n numbers: whole(from) for whole vectors, part(from, count) for what is left.
template <class T, class Whole, class PartOf>
ELMAN_INLINE void for_vectors(int64_t from, int64_t to, Whole whole, PartOf part) {
  constexpr int W = Vec<T>::width;
  int64_t i = from;
  for (; i + W <= to; i += W) whole(i);
  if (i < to) part(i, to - i);
}

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

template <class T>
double sum_of_squares(const T* p, int64_t n) {
  VecD total = VecD::set(0.0);
  for_vectors<T>(
      0, n, [&](int64_t i) { total = add_squares(total, Vec<T>::load(p + i)); },
      [&](int64_t i, int64_t m) { total = add_squares(total, Vec<T>::load_part(p + i, m)); });
  return sum(total);
}

// One vector's update; see elman/engines/optimisers.py for the formulas and their sources.
template <class T>
struct UpdateRule {
  using V = Vec<T>;
  const UpdateArgs<T>& u;
  V rate, decay, momentum, beta1, rest1, beta2, rest2, eps, root2, rate1, kept;

  explicit ELMAN_INLINE UpdateRule(const UpdateArgs<T>& args) : u(args) {
    const bool rms = u.kind == Update::rmsprop;
    rate = V::set(static_cast<T>(u.learning_rate));
    decay = V::set(static_cast<T>(u.weight_decay));
    kept = V::set(static_cast<T>(1 - u.learning_rate * u.weight_decay));
    momentum = V::set(static_cast<T>(u.momentum));
    rest1 = V::set(static_cast<T>(1 - u.beta1));
    beta2 = V::set(static_cast<T>(rms ? u.alpha : u.beta2));
    rest2 = V::set(static_cast<T>(1 - (rms ? u.alpha : u.beta2)));
    eps = V::set(static_cast<T>(u.eps));
    root2 = V::set(static_cast<T>(::sqrt(u.correction2)));
    rate1 = V::set(static_cast<T>(u.learning_rate / u.correction1));
  }

  // p after the update; first, second and buffer are the memories, changed in place.
  ELMAN_INLINE V operator()(V p, V g, V& first, V& second, V& buffer) const {
    if (u.kind == Update::adamw)
      p = p * kept;
    else if (u.weight_decay != 0)
      g = g + decay * p;
    if (u.kind == Update::sgd) return p - rate * with_momentum(g, buffer);
    second = second * beta2 + rest2 * g * g;
    if (u.kind == Update::rmsprop) return p - rate * with_momentum(g / (sqrt(second) + eps), buffer);
    first = first + rest1 * (g - first);
    return p - rate1 * first / (sqrt(second) / root2 + eps);
  }

  ELMAN_INLINE V with_momentum(V g, V& buffer) const {
    if (!u.momentum_buffer) return g;
    buffer = buffer * momentum + g;
    return u.nesterov ? g + momentum * buffer : buffer;
  }
};

template <class T>
void update(const UpdateArgs<T>& u, int64_t from, int64_t to) {
  using V = Vec<T>;
  const UpdateRule<T> rule(u);
  const V zero = V::set(T(0));
  for_vectors<T>(
      from, to,
      [&](int64_t i) {
        V first = u.first ? V::load(u.first + i) : zero, second = u.second ? V::load(u.second + i) : zero;
        V buffer = u.momentum_buffer ? V::load(u.momentum_buffer + i) : zero;
        rule(V::load(u.p + i), V::load(u.g + i), first, second, buffer).store(u.p + i);
        if (u.first) first.store(u.first + i);
        if (u.second) second.store(u.second + i);
        if (u.momentum_buffer) buffer.store(u.momentum_buffer + i);
      },
      [&](int64_t i, int64_t m) {
        V first = u.first ? V::load_part(u.first + i, m) : zero;
        V second = u.second ? V::load_part(u.second + i, m) : zero;
        V buffer = u.momentum_buffer ? V::load_part(u.momentum_buffer + i, m) : zero;
        rule(V::load_part(u.p + i, m), V::load_part(u.g + i, m), first, second, buffer).store_part(u.p + i, m);
        if (u.first) first.store_part(u.first + i, m);
        if (u.second) second.store_part(u.second + i, m);
        if (u.momentum_buffer) buffer.store_part(u.momentum_buffer + i, m);
      });
}

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

template <class T>
void activate(Cell cell, const T* in, T* out, int64_t n) {
  using V = Vec<T>;
  const auto f = [cell](V x) { return cell == Cell::tanh ? tanh(x) : cell == Cell::relu ? relu(x) : sigmoid(x); };
  for_vectors<T>(
      0, n, [&](int64_t i) { f(V::load(in + i)).store(out + i); },
      [&](int64_t i, int64_t m) { f(V::load_part(in + i, m)).store_part(out + i, m); });
}

}  // namespace elman::ELMAN_TARGET
