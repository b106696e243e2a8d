// The long short-term memory cell with a forget gate; the twin of elman/cells/lstm.py, derived in docs/kernels-lstm.md.
#pragma once

#include "cells/facts.h"

namespace elman {

// The slots are the weights' gates i f g o, then q = tanh(c).
namespace lstm_slots {
enum : int { i, f, g, o, q };
}

inline constexpr CellFacts lstm_facts{
    .gates = 4,
    .slots = 5,
    .has_cell_state = true,
    .has_tiny_kernel = false,
    .input_slots = {lstm_slots::i, lstm_slots::f, lstm_slots::g, lstm_slots::o},
    .recurrent_slot = lstm_slots::i,
    .inner_bias_gate = -1,
    .traced = {{"i", lstm_slots::i}, {"f", lstm_slots::f}, {"g", lstm_slots::g}, {"o", lstm_slots::o}}};

}  // namespace elman

#ifdef ELMAN_TARGET
#include "cells/vectors.h"
#include "kernels/activations.h"

namespace elman::ELMAN_TARGET {

template <class T>
struct Lstm {
  static constexpr const CellFacts& facts = lstm_facts;
  using V = Vec<T>;

  template <bool save>
  static ELMAN_INLINE void forward(const ForwardVector<T>& at) {
    const V i = sigmoid(at.slot(lstm_slots::i) + at.product(0));
    const V f = sigmoid(at.slot(lstm_slots::f) + at.product(1));
    const V g = tanh(at.slot(lstm_slots::g) + at.product(2));
    const V o = sigmoid(at.slot(lstm_slots::o) + at.product(3));
    const V c = fma(f, V::load(at.c_before), i * g);
    const V q = tanh(c);
    c.store(at.c_after);
    (o * q).store(at.h_after);
    if constexpr (save) {
      at.put(lstm_slots::i, i);
      at.put(lstm_slots::f, f);
      at.put(lstm_slots::g, g);
      at.put(lstm_slots::o, o);
      at.put(lstm_slots::q, q);
    }
  }

  static ELMAN_INLINE void backward(const BackwardVector<T>& at) {
    const V one = V::set(T(1)), d = at.d_h();
    const V i = at.slot(lstm_slots::i), f = at.slot(lstm_slots::f), g = at.slot(lstm_slots::g);
    const V o = at.slot(lstm_slots::o), q = at.slot(lstm_slots::q);
    const V d_c = fma(d * o, one - q * q, V::load(at.dc));
    at.put(lstm_slots::i, d_c * g * i * (one - i));
    at.put(lstm_slots::f, d_c * V::load(at.c_before) * f * (one - f));
    at.put(lstm_slots::g, d_c * i * (one - g * g));
    at.put(lstm_slots::o, d * q * o * (one - o));
    (d_c * f).store(at.dc);
    V::set(T(0)).store(at.dh);
  }
};

}  // namespace elman::ELMAN_TARGET
#endif
