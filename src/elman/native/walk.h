// The walk of one layer through time, forward and backward. Each step is a product with W_hh, tile by tile, and the
// cell's elementwise part done on a tile as soon as its product is there, while it lies in the nearest cache. Every
// other step visits the panels of W_hh from the last to the first: those that came last are still near.
//
// The recurrences and their derivatives are those of elman/cells/*.py; docs/kernels-*.md derive them again beside this
// code. Shapes and slots: kernels.h.
#pragma once

#include "activations.h"
#include "barrier.h"
#include "kernels.h"
#include "tile.h"

namespace elman::ELMAN_TARGET {

template <Cell C, class V>
ELMAN_INLINE V elman_activation(V a) {
  if constexpr (C == Cell::tanh) return tanh(a);
  if constexpr (C == Cell::relu) return relu(a);
  return sigmoid(a);
}

// f'(a) from h = f(a).
template <Cell C, class V>
ELMAN_INLINE V elman_slope(V h) {
  using T = decltype(sum(h));
  const V one = V::set(T(1)), zero = V::set(T(0));
  if constexpr (C == Cell::tanh) return one - h * h;
  if constexpr (C == Cell::relu) return select(zero < h, one, zero);
  return h * (one - h);
}

// One vector of hidden units of one sequence, forward. `product` holds the gates' recurrent products, `gap` apart;
// pointers are already at the vector.
template <class T, Cell C, bool keep>
ELMAN_INLINE void forward_vector(const T* product, int64_t gap, T* slot, int64_t padded, const T* h_before, T* h_after,
                                 const T* c_before, T* c_after, const T* bias_n) {
  using V = Vec<T>;
  if constexpr (C == Cell::gru) {
    const V one = V::set(T(1));
    const V r = sigmoid(V::load(slot + padded) + V::load(product));
    const V z = sigmoid(V::load(slot + 2 * padded) + V::load(product + gap));
    V u = V::load(product + 2 * gap);
    if (bias_n) u = u + V::load(bias_n);
    const V n = tanh(fma(r, u, V::load(slot)));
    fma(z, V::load(h_before), (one - z) * n).store(h_after);
    if constexpr (keep) {
      n.store(slot);
      r.store(slot + padded);
      z.store(slot + 2 * padded);
      u.store(slot + 3 * padded);
    }
  } else if constexpr (C == Cell::lstm) {
    const V i = sigmoid(V::load(slot) + V::load(product));
    const V f = sigmoid(V::load(slot + padded) + V::load(product + gap));
    const V g = tanh(V::load(slot + 2 * padded) + V::load(product + 2 * gap));
    const V o = sigmoid(V::load(slot + 3 * padded) + V::load(product + 3 * gap));
    const V c = fma(f, V::load(c_before), i * g);
    const V q = tanh(c);
    c.store(c_after);
    (o * q).store(h_after);
    if constexpr (keep) {
      i.store(slot);
      f.store(slot + padded);
      g.store(slot + 2 * padded);
      o.store(slot + 3 * padded);
      q.store(slot + 4 * padded);
    }
  } else {
    elman_activation<C>(V::load(slot) + V::load(product)).store(h_after);
  }
}

template <class T, Cell C, bool keep>
void forward_cell(const ForwardArgs<T>& f) {
  constexpr int W = Vec<T>::width;
  constexpr int G = gates_of(C);
  alignas(64) T tile[most_rows * most_vectors * W];
  for (int64_t s = f.step0; s < f.step1; ++s) {
    const int64_t t = f.reverse ? f.steps - 1 - s : s;
    const int64_t before = f.reverse ? t + 2 : t;
    const int64_t panels = (f.v1 - f.v0 + f.weights.per_panel - 1) / f.weights.per_panel;
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t v = f.v0 + ((s + f.turn) % 2 ? panels - 1 - p : p) * f.weights.per_panel;
      const int64_t hidden_vectors = f.v1 - v < f.weights.per_panel ? f.v1 - v : f.weights.per_panel;
      const int vectors = static_cast<int>(G * hidden_vectors);
      const T* panel = f.weights.data + v * W * G * f.hidden;
      for_row_tiles(f.n0, f.n1, tile_rows<T>(vectors), [&](int64_t first, int64_t count) {
        row_tiles<T>.of[count][vectors](f.h.at(before, first), f.h.sequence, 1, f.hidden, 0, panel, tile);
        for (int64_t i = 0; i < count; ++i) {
          const int64_t n = first + i;
          const bool alive = !f.lengths || t < f.lengths[n];
          for (int64_t w = 0; w < hidden_vectors; ++w) {
            const int64_t j = (v + w) * W;
            const T* h_before = f.h.at(before, n) + j;
            T* h_after = f.h.at(t + 1, n) + j;
            const T* c_before = C == Cell::lstm ? f.c.at(before, n) + j : nullptr;
            T* c_after = C == Cell::lstm ? f.c.at(t + 1, n) + j : nullptr;
            if (alive) {
              forward_vector<T, C, keep>(tile + (i * vectors + w) * W, hidden_vectors * W,
                                         f.gates.at(t - f.gates_first, n) + j, f.padded, h_before, h_after, c_before,
                                         c_after, f.bias_n ? f.bias_n + j : nullptr);
            } else {
              Vec<T>::load(h_before).store(h_after);
              if constexpr (C == Cell::lstm) Vec<T>::load(c_before).store(c_after);
            }
          }
        }
      });
    }
    if (f.barrier) f.barrier->wait();
  }
}

template <class T, Cell C>
ELMAN_INLINE void forward_kept(const ForwardArgs<T>& f) {
  f.keep ? forward_cell<T, C, true>(f) : forward_cell<T, C, false>(f);
}

template <class T>
void forward(const ForwardArgs<T>& f) {
  switch (f.cell) {
    case Cell::tanh: return forward_kept<T, Cell::tanh>(f);
    case Cell::relu: return forward_kept<T, Cell::relu>(f);
    case Cell::sigmoid: return forward_kept<T, Cell::sigmoid>(f);
    case Cell::gru: return forward_kept<T, Cell::gru>(f);
    case Cell::lstm: return forward_kept<T, Cell::lstm>(f);
  }
}

// One vector of hidden units of one sequence, backward: from dh and dc of the state after the step to the gradients of
// the gates, and in dh and dc what reaches the state before it without passing through W_hh.
template <class T, Cell C>
ELMAN_INLINE void backward_vector(const T* slot, T* d_slot, int64_t padded, const T* h_before, const T* h_after,
                                  const T* c_before, const T* d_output, T* dh, T* dc) {
  using V = Vec<T>;
  const V one = V::set(T(1));
  V d = V::load(dh);
  if (d_output) d = d + V::load(d_output);
  if constexpr (C == Cell::gru) {
    const V n = V::load(slot), r = V::load(slot + padded), z = V::load(slot + 2 * padded),
            u = V::load(slot + 3 * padded);
    const V da_n = d * (one - z) * (one - n * n);
    const V da_z = d * (V::load(h_before) - n) * z * (one - z);
    const V da_r = da_n * u * r * (one - r);
    da_n.store(d_slot);
    da_r.store(d_slot + padded);
    da_z.store(d_slot + 2 * padded);
    (da_n * r).store(d_slot + 3 * padded);
    (d * z).store(dh);
  } else if constexpr (C == Cell::lstm) {
    const V i = V::load(slot), f = V::load(slot + padded), g = V::load(slot + 2 * padded);
    const V o = V::load(slot + 3 * padded), q = V::load(slot + 4 * padded);
    const V d_c = fma(d * o, one - q * q, V::load(dc));
    (d_c * g * i * (one - i)).store(d_slot);
    (d_c * V::load(c_before) * f * (one - f)).store(d_slot + padded);
    (d_c * i * (one - g * g)).store(d_slot + 2 * padded);
    (d * q * o * (one - o)).store(d_slot + 3 * padded);
    (d_c * f).store(dc);
    V::set(T(0)).store(dh);
  } else {
    (d * elman_slope<C>(V::load(h_after))).store(d_slot);
    V::set(T(0)).store(dh);
  }
}

// Whether the gradient stops at the state before step t of sequence n.
template <class T>
ELMAN_INLINE bool is_cut(const BackwardArgs<T>& b, int64_t t, int64_t n) {
  if (!b.backprop_steps) return false;
  const int64_t end = b.lengths ? b.lengths[n] : b.steps;
  return t < end && (b.reverse ? t + 1 : end - t) % b.backprop_steps == 0;
}

// The elementwise part of step t for vectors [v, v + count) of sequence n.
template <class T, Cell C>
ELMAN_INLINE void backward_elements(const BackwardArgs<T>& b, int64_t t, int64_t n, int64_t v, int64_t count) {
  constexpr int W = Vec<T>::width;
  const int64_t before = b.reverse ? t + 2 : t;
  const bool alive = !b.lengths || t < b.lengths[n];
  for (int64_t j = v * W; j < (v + count) * W; j += W) {
    T* d_slot = b.d_gates.at(t, n) + j;
    if (alive)
      backward_vector<T, C>(b.gates.at(t, n) + j, d_slot, b.padded, b.h.at(before, n) + j, b.h.at(t + 1, n) + j,
                            C == Cell::lstm ? b.c.at(before, n) + j : nullptr,
                            b.d_outputs.data ? b.d_outputs.at(t, n) + j : nullptr, b.dh.at(0, n) + j,
                            C == Cell::lstm ? b.dc.at(0, n) + j : nullptr);
    else
      for (int gate = 0; gate < slots_of(C); ++gate) Vec<T>::set(T(0)).store(d_slot + gate * b.padded);
  }
}

template <class T, Cell C>
void backward_cell(const BackwardArgs<T>& b) {
  constexpr int W = Vec<T>::width;
  constexpr int G = gates_of(C);
  alignas(64) T tile[most_rows * most_vectors * W];
  const auto time_of = [&](int64_t s) { return b.reverse ? b.steps - 1 - s : s; };
  for (int64_t n = b.n0; n < b.n1; ++n) backward_elements<T, C>(b, time_of(b.step1 - 1), n, b.v0, b.v1 - b.v0);
  for (int64_t s = b.step1 - 1; s >= b.step0; --s) {
    const int64_t t = time_of(s);
    if (b.barrier) b.barrier->wait();
    const bool all_cut = !b.lengths && is_cut(b, t, 0);
    const int64_t panels = (b.v1 - b.v0 + b.weights.per_panel - 1) / b.weights.per_panel;
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t v = b.v0 + (s % 2 ? panels - 1 - p : p) * b.weights.per_panel;
      const int vectors = static_cast<int>(b.v1 - v < b.weights.per_panel ? b.v1 - v : b.weights.per_panel);
      const T* panel = b.weights.data + v * W * G * b.hidden;
      for_row_tiles(b.n0, b.n1, tile_rows<T>(vectors), [&](int64_t first, int64_t count) {
        if (!all_cut)
          row_tiles<T>.of[count][vectors](b.d_gates.at(t, first) + recurrent_slot(C) * b.padded, b.d_gates.sequence, G,
                                          b.hidden, b.padded, panel, tile);
        for (int64_t i = 0; i < count; ++i) {
          const int64_t n = first + i;
          const bool alive = !b.lengths || t < b.lengths[n];
          T* dh = b.dh.at(0, n) + v * W;
          if (is_cut(b, t, n)) {
            for (int j = 0; j < vectors * W; j += W) {
              Vec<T>::set(T(0)).store(dh + j);
              if constexpr (C == Cell::lstm) Vec<T>::set(T(0)).store(b.dc.at(0, n) + v * W + j);
            }
          } else if (alive) {
            for (int j = 0; j < vectors * W; j += W)
              (Vec<T>::load(dh + j) + Vec<T>::load(tile + i * vectors * W + j)).store(dh + j);
          }
          if (s > b.step0) backward_elements<T, C>(b, time_of(s - 1), n, v, vectors);
        }
      });
    }
  }
}

template <class T>
void backward(const BackwardArgs<T>& b) {
  switch (b.cell) {
    case Cell::tanh: return backward_cell<T, Cell::tanh>(b);
    case Cell::relu: return backward_cell<T, Cell::relu>(b);
    case Cell::sigmoid: return backward_cell<T, Cell::sigmoid>(b);
    case Cell::gru: return backward_cell<T, Cell::gru>(b);
    case Cell::lstm: return backward_cell<T, Cell::lstm>(b);
  }
}

}  // namespace elman::ELMAN_TARGET
