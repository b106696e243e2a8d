// The optimisers' updates; the twins of `update` in elman/engines/optimisers.py.
#pragma once

#include <math.h>

#include "kernels/elementwise.h"
#include "kernels/kernels.h"

namespace elman::ELMAN_TARGET {

// One vector's update; see elman/engines/optimisers.py for the formulas and their sources.
template <class T>
struct UpdateRule {
  using V = Vec<T>;
  const UpdateArgs<T>& u;
  V rate, decay, momentum, beta1, rest1, beta2, rest2, eps, root2, rate1, shrink;

  explicit ELMAN_INLINE UpdateRule(const UpdateArgs<T>& args) : u(args) {
    const bool rms = u.kind == OptimiserKind::rmsprop;
    rate = V::set(static_cast<T>(u.learning_rate));
    decay = V::set(static_cast<T>(u.weight_decay));
    shrink = V::set(static_cast<T>(1 - u.learning_rate * u.weight_decay));
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
    if (u.kind == OptimiserKind::adamw)
      p = p * shrink;
    else if (u.weight_decay != 0)
      g = g + decay * p;
    if (u.kind == OptimiserKind::sgd) return p - rate * with_momentum(g, buffer);
    second = second * beta2 + rest2 * g * g;
    if (u.kind == OptimiserKind::rmsprop) return p - rate * with_momentum(g / (sqrt(second) + eps), buffer);
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

}  // namespace elman::ELMAN_TARGET
