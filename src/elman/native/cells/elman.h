// The simple recurrent cell, with three nonlinearities; the twin of elman/cells/elman.py, derived in
// docs/kernels-elman.md.
#pragma once

#include "cells/facts.h"

namespace elman {

// One slot: a = W_ih x + b_ih + b_hh before the step. The gates of a trace are none; the backward pass needs h alone.
inline constexpr CellFacts elman_tanh_facts{.gates = 1,
                                            .slots = 1,
                                            .has_cell_state = false,
                                            .has_tiny_kernel = true,
                                            .input_slots = {0},
                                            .recurrent_slot = 0,
                                            .inner_bias_gate = -1,
                                            .traced = {}};
inline constexpr CellFacts elman_relu_facts = elman_tanh_facts;
inline constexpr CellFacts elman_sigmoid_facts = elman_tanh_facts;

}  // namespace elman

#ifdef ELMAN_TARGET
#include "cells/vectors.h"
#include "kernels/activations.h"

namespace elman::ELMAN_TARGET {

// value(a) = f(a); slope(h) = f'(a) from h = f(a).
struct Tanh {
  static constexpr bool zero_at_zero = true;
  template <class V>
  static ELMAN_INLINE V value(V a) {
    return tanh(a);
  }
  template <class V>
  static ELMAN_INLINE V slope(V h) {
    return V::set(1) - h * h;
  }
};

struct Relu {
  static constexpr bool zero_at_zero = true;
  template <class V>
  static ELMAN_INLINE V value(V a) {
    return relu(a);
  }
  template <class V>
  static ELMAN_INLINE V slope(V h) {
    return select(V::set(0) < h, V::set(1), V::set(0));
  }
};

struct Sigmoid {
  static constexpr bool zero_at_zero = false;
  template <class V>
  static ELMAN_INLINE V value(V a) {
    return sigmoid(a);
  }
  template <class V>
  static ELMAN_INLINE V slope(V h) {
    return h * (V::set(1) - h);
  }
};

template <class T, class F>
struct ElmanCell {
  static constexpr const CellFacts& facts = elman_tanh_facts;
  using Nonlinearity = F;
  using V = Vec<T>;

  template <bool save>
  static ELMAN_INLINE void forward(const ForwardVector<T>& at) {
    F::value(at.slot(0) + at.product(0)).store(at.h_after);
  }

  static ELMAN_INLINE void backward(const BackwardVector<T>& at) {
    at.put(0, at.d_h() * F::slope(V::load(at.h_after)));
    V::set(T(0)).store(at.dh);
  }
};

template <class T>
using ElmanTanh = ElmanCell<T, Tanh>;
template <class T>
using ElmanRelu = ElmanCell<T, Relu>;
template <class T>
using ElmanSigmoid = ElmanCell<T, Sigmoid>;

}  // namespace elman::ELMAN_TARGET
#endif
