// The gated recurrent unit, its reset gate after the product; the twin of elman/cells/gru.py, derived in
// docs/kernels-gru.md.
#pragma once

#include "cells/facts.h"

namespace elman {

// The weights' gates are r z n; the slots are n r z u, with u = W_hn h + b_hn. In this order both sides are contiguous:
// the input side is n r z, the recurrent side r z u.
namespace gru_slots {
enum : int { n, r, z, u };
}

inline constexpr CellFacts gru_facts{.gates = 3,
                                     .slots = 4,
                                     .has_cell_state = false,
                                     .has_tiny_kernel = false,
                                     .input_slots = {gru_slots::r, gru_slots::z, gru_slots::n},
                                     .recurrent_slot = gru_slots::r,
                                     .inner_bias_gate = 2,
                                     .traced = {{"r", gru_slots::r}, {"z", gru_slots::z}, {"n", gru_slots::n}}};

}  // namespace elman

#ifdef ELMAN_TARGET
#include "cells/vectors.h"
#include "kernels/activations.h"

namespace elman::ELMAN_TARGET {

template <class T>
struct Gru {
  static constexpr const CellFacts& facts = gru_facts;
  using V = Vec<T>;

  template <bool save>
  static ELMAN_INLINE void forward(const ForwardVector<T>& at) {
    const V one = V::set(T(1));
    const V r = sigmoid(at.slot(gru_slots::r) + at.product(0));
    const V z = sigmoid(at.slot(gru_slots::z) + at.product(1));
    V u = at.product(2);
    if (at.inner_bias) u = u + V::load(at.inner_bias);
    const V n = tanh(fma(r, u, at.slot(gru_slots::n)));
    fma(z, V::load(at.h_before), (one - z) * n).store(at.h_after);
    if constexpr (save) {
      at.put(gru_slots::n, n);
      at.put(gru_slots::r, r);
      at.put(gru_slots::z, z);
      at.put(gru_slots::u, u);
    }
  }

  static ELMAN_INLINE void backward(const BackwardVector<T>& at) {
    const V one = V::set(T(1)), d = at.d_h();
    const V n = at.slot(gru_slots::n), r = at.slot(gru_slots::r), z = at.slot(gru_slots::z), u = at.slot(gru_slots::u);
    const V da_n = d * (one - z) * (one - n * n);
    const V da_z = d * (V::load(at.h_before) - n) * z * (one - z);
    const V da_r = da_n * u * r * (one - r);
    at.put(gru_slots::n, da_n);
    at.put(gru_slots::r, da_r);
    at.put(gru_slots::z, da_z);
    at.put(gru_slots::u, da_n * r);
    (d * z).store(at.dh);
  }
};

}  // namespace elman::ELMAN_TARGET
#endif
