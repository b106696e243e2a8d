// The walk of one layer through time, forward and backward; the twin of elman/engines/reference/recurrence.py. Each
// step is a product with W_hh, tile by tile, and the cell's elementwise part (cells/*.h) on a tile as soon as its
// product is there, while it lies in the nearest cache. Every other step visits the panels of W_hh from the last to the
// first: those that came last are still near. Shapes: kernels.h.
#pragma once

#include "barrier.h"
#include "cells/list.h"
#include "kernels/kernels.h"
#include "kernels/tile.h"

namespace elman::ELMAN_TARGET {

template <class T, class Kernel, bool save>
void forward_cell(const ForwardArgs<T>& f) {
  constexpr int W = Vec<T>::width;
  constexpr int G = Kernel::facts.gates;
  constexpr bool has_c = Kernel::facts.has_cell_state;
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
            const T* c_before = has_c ? f.c.at(before, n) + j : nullptr;
            T* c_after = has_c ? f.c.at(t + 1, n) + j : nullptr;
            if (alive) {
              Kernel::template forward<save>({.products = tile + (i * vectors + w) * W,
                                              .products_gap = hidden_vectors * W,
                                              .slots = f.slots.at(t - f.slots_first, n) + j,
                                              .padded = f.padded,
                                              .h_before = h_before,
                                              .h_after = h_after,
                                              .c_before = c_before,
                                              .c_after = c_after,
                                              .inner_bias = f.inner_bias ? f.inner_bias + j : nullptr});
            } else {
              Vec<T>::load(h_before).store(h_after);
              if constexpr (has_c) Vec<T>::load(c_before).store(c_after);
            }
          }
        }
      });
    }
    if (f.barrier) f.barrier->wait();
  }
}

template <class T>
void forward(const ForwardArgs<T>& f) {
  switch (f.cell) {
#define ELMAN_CELL_FORWARD(name, Kernel) \
  case Cell::name: return f.save ? forward_cell<T, Kernel<T>, true>(f) : forward_cell<T, Kernel<T>, false>(f);
    ELMAN_CELLS(ELMAN_CELL_FORWARD)
#undef ELMAN_CELL_FORWARD
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
template <class T, class Kernel>
ELMAN_INLINE void backward_elements(const BackwardArgs<T>& b, int64_t t, int64_t n, int64_t v, int64_t count) {
  constexpr int W = Vec<T>::width;
  constexpr bool has_c = Kernel::facts.has_cell_state;
  const int64_t before = b.reverse ? t + 2 : t;
  const bool alive = !b.lengths || t < b.lengths[n];
  for (int64_t j = v * W; j < (v + count) * W; j += W) {
    T* d_slots = b.d_slots.at(t, n) + j;
    if (alive)
      Kernel::backward({.slots = b.slots.at(t, n) + j,
                        .d_slots = d_slots,
                        .padded = b.padded,
                        .h_before = b.h.at(before, n) + j,
                        .h_after = b.h.at(t + 1, n) + j,
                        .c_before = has_c ? b.c.at(before, n) + j : nullptr,
                        .d_outputs = b.d_outputs.data ? b.d_outputs.at(t, n) + j : nullptr,
                        .dh = b.dh.at(0, n) + j,
                        .dc = has_c ? b.dc.at(0, n) + j : nullptr});
    else
      for (int slot = 0; slot < Kernel::facts.slots; ++slot) Vec<T>::set(T(0)).store(d_slots + slot * b.padded);
  }
}

template <class T, class Kernel>
void backward_cell(const BackwardArgs<T>& b) {
  constexpr int W = Vec<T>::width;
  constexpr int G = Kernel::facts.gates;
  alignas(64) T tile[most_rows * most_vectors * W];
  const auto time_of = [&](int64_t s) { return b.reverse ? b.steps - 1 - s : s; };
  for (int64_t n = b.n0; n < b.n1; ++n) backward_elements<T, Kernel>(b, time_of(b.step1 - 1), n, b.v0, b.v1 - b.v0);
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
          row_tiles<T>.of[count][vectors](b.d_slots.at(t, first) + Kernel::facts.recurrent_slot * b.padded,
                                          b.d_slots.sequence, G, b.hidden, b.padded, panel, tile);
        for (int64_t i = 0; i < count; ++i) {
          const int64_t n = first + i;
          const bool alive = !b.lengths || t < b.lengths[n];
          T* dh = b.dh.at(0, n) + v * W;
          if (is_cut(b, t, n)) {
            for (int j = 0; j < vectors * W; j += W) {
              Vec<T>::set(T(0)).store(dh + j);
              if constexpr (Kernel::facts.has_cell_state) Vec<T>::set(T(0)).store(b.dc.at(0, n) + v * W + j);
            }
          } else if (alive) {
            for (int j = 0; j < vectors * W; j += W)
              (Vec<T>::load(dh + j) + Vec<T>::load(tile + i * vectors * W + j)).store(dh + j);
          }
          if (s > b.step0) backward_elements<T, Kernel>(b, time_of(s - 1), n, v, vectors);
        }
      });
    }
  }
}

template <class T>
void backward(const BackwardArgs<T>& b) {
  switch (b.cell) {
#define ELMAN_CELL_BACKWARD(name, Kernel) \
  case Cell::name: return backward_cell<T, Kernel<T>>(b);
    ELMAN_CELLS(ELMAN_CELL_BACKWARD)
#undef ELMAN_CELL_BACKWARD
  }
}

}  // namespace elman::ELMAN_TARGET
