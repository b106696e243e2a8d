// What a cell's kernel works on: one vector of hidden units of one sequence at one step. All pointers are already at
// the vector.
#pragma once

#include "kernels/simd.h"

namespace elman::ELMAN_TARGET {

template <class T>
struct ForwardVector {
  const T* products;     // of the weights' gates with the state before the step
  int64_t products_gap;  // numbers from one gate's product to the next one's
  T* slots;              // in: the projected inputs; out, where they are saved: what the backward pass needs
  int64_t padded;        // numbers from one slot to the next
  const T* h_before;
  T* h_after;
  const T* c_before;  // null where the cell has no c
  T* c_after;
  const T* inner_bias;  // of the gate that CellFacts names; null without biases

  ELMAN_INLINE Vec<T> product(int gate) const { return Vec<T>::load(products + gate * products_gap); }
  ELMAN_INLINE Vec<T> slot(int number) const { return Vec<T>::load(slots + number * padded); }
  ELMAN_INLINE void put(int number, Vec<T> value) const { value.store(slots + number * padded); }
};

// From dh and dc of the state after the step to the gradients of the gates; and, in dh and dc, what reaches the state
// before it without passing through W_hh.
template <class T>
struct BackwardVector {
  const T* slots;  // what the forward pass saved
  T* d_slots;      // out: the gradients of the gates; may be the same memory
  int64_t padded;
  const T* h_before;
  const T* h_after;
  const T* c_before;   // null where the cell has no c
  const T* d_outputs;  // null for zero
  T *dh, *dc;

  ELMAN_INLINE Vec<T> slot(int number) const { return Vec<T>::load(slots + number * padded); }
  ELMAN_INLINE void put(int number, Vec<T> value) const { value.store(d_slots + number * padded); }

  // The gradient of h after the step: from the step after it, and from the outputs.
  ELMAN_INLINE Vec<T> d_h() const {
    const Vec<T> later = Vec<T>::load(dh);
    return d_outputs ? later + Vec<T>::load(d_outputs) : later;
  }
};

}  // namespace elman::ELMAN_TARGET
