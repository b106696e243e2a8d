// Training a small elman network one step at a time, pieces of N = 1 and T = 1: nothing is packed, planned or called
// between two updates, and the weights are updated where the next step reads them.
//
// Parameters lie transposed and padded, as rows of Hp numbers: W_ih^T (D rows), W_hh^T (H rows), b_ih, b_hh, W_head
// (O rows); then b_head, padded. Gradients and memories of the optimiser have the same layout; padding stays zero.
// The numbers are those of the general path but for rounding: sums over the head's inputs run in another order.
#pragma once

#include <math.h>

#include "cells/list.h"
#include "kernels/elementwise.h"
#include "kernels/kernels.h"
#include "kernels/sums.h"
#include "kernels/updates.h"

namespace elman::ELMAN_TARGET {

template <class T, class F>
int64_t tiny_cell(const TinyArgs<T>& a) {
  using V = Vec<T>;
  constexpr int W = V::width;
  const int64_t hp = a.padded, D = a.inputs, H = a.hidden, O = a.outputs;
  const T* w_ih = a.p;
  const T* w_hh = w_ih + D * hp;
  const T* b_ih = a.bias ? w_hh + H * hp : nullptr;
  const T* b_hh = a.bias ? b_ih + hp : nullptr;
  const T* w_head = w_hh + H * hp + (a.bias ? 2 * hp : 0);
  const T* b_head = a.head_bias ? w_head + O * hp : nullptr;
  T* g_ih = a.g;
  T* g_hh = g_ih + D * hp;
  T* g_bias = g_hh + H * hp;
  T* g_head = g_bias + (a.bias ? 2 * hp : 0);
  T* g_head_bias = g_head + O * hp;
  const V zero = V::set(T(0)), rate = V::set(static_cast<T>(a.update.learning_rate));
  const bool plain_sgd = a.update.kind == OptimiserKind::sgd && a.update.momentum == 0 && a.update.weight_decay == 0;
  UpdateArgs<T> update = a.update;
  T* before = a.h;
  T* after = a.h + hp;

  for (int64_t piece = 0; piece < a.pieces; ++piece) {
    if (a.fresh[piece])
      for (int64_t j = 0; j < hp; j += W) zero.store(before + j);
    const T* x = a.x + piece * D;
    for (int64_t j = 0; j < hp; j += W) {
      V projected = zero, recurrent = zero;
      for (int64_t k = 0; k < D; ++k) projected = fma(V::set(x[k]), V::load(w_ih + k * hp + j), projected);
      for (int64_t k = 0; k < H; ++k) recurrent = fma(V::set(before[k]), V::load(w_hh + k * hp + j), recurrent);
      if (a.bias) projected = projected + (V::load(b_ih + j) + V::load(b_hh + j));
      V h = F::value(projected + recurrent);
      if constexpr (!F::zero_at_zero) h = h * V::load(a.lanes + j);  // what is padding stays zero
      h.store(after + j);
    }
    for (int64_t o = 0; o < O; ++o) {
      V total = zero;
      for (int64_t j = 0; j < hp; j += W) total = fma(V::load(after + j), V::load(w_head + o * hp + j), total);
      a.outputs_row[o] = sum(total) + (a.head_bias ? b_head[o] : T(0));
    }
    const double loss = a.loss(a.loss_context, piece, a.outputs_row, a.d_outputs);

    // Gradients, and the sum of their squares.
    VecD squares = VecD::set(0.0);
    const auto write = [&](V gradient, T* to) {
      gradient.store(to);
      squares = add_squares(squares, gradient);
    };
    for (int64_t j = 0; j < hp; j += W) {
      const V h = V::load(after + j);
      V dh = zero;
      for (int64_t o = 0; o < O; ++o) {
        const V d = V::set(a.d_outputs[o]);
        dh = fma(d, V::load(w_head + o * hp + j), dh);
        write(d * h, g_head + o * hp + j);
      }
      const V da = dh * F::slope(h);
      for (int64_t k = 0; k < D; ++k) write(da * V::set(x[k]), g_ih + k * hp + j);
      for (int64_t k = 0; k < H; ++k) write(da * V::set(before[k]), g_hh + k * hp + j);
      if (a.bias) {
        write(da, g_bias + j);
        write(da, g_bias + hp + j);
      }
    }
    if (a.head_bias)
      for (int64_t o = 0; o < O; o += W) {
        const V d = O - o < W ? V::load_part(a.d_outputs + o, O - o) : V::load(a.d_outputs + o);
        write(d, g_head_bias + o);
      }
    const double norm = ::sqrt(sum(squares));
    a.losses[piece] = loss;
    a.norms[piece] = norm;
    T* const swapped = before;
    before = after;
    after = swapped;
    if (!(loss + norm - (loss + norm) == 0)) {  // not finite
      for (int64_t j = 0; j < hp; j += W) V::load(before + j).store(a.h + j);
      return piece + 1;
    }

    if (a.clip_value > 0) clip(a.g, static_cast<T>(a.clip_value), a.size);
    if (a.clip_norm > 0) {
      const double now = a.clip_value > 0 ? ::sqrt(sum_of_squares(a.g, a.size)) : norm;
      const double factor = a.clip_norm / (now + 1e-6);
      if (factor < 1) scale(a.g, static_cast<T>(factor), a.size);
    }
    if (plain_sgd) {
      for (int64_t i = 0; i < a.size; i += W) (V::load(a.p + i) - rate * V::load(a.g + i)).store(a.p + i);
    } else {
      if (update.first) {
        const double t = static_cast<double>(a.updates + piece + 1);
        update.correction1 = 1 - ::pow(update.beta1, t);
        update.correction2 = 1 - ::pow(update.beta2, t);
      }
      elman::ELMAN_TARGET::update(update, 0, a.size);
    }
  }
  if (before != a.h)
    for (int64_t j = 0; j < hp; j += W) V::load(before + j).store(a.h + j);
  return a.pieces;
}

template <class T>
int64_t tiny(const TinyArgs<T>& a) {
  switch (a.cell) {
#define ELMAN_CELL_TINY(name, Kernel)                                                                         \
  case Cell::name:                                                                                            \
    if constexpr (Kernel<T>::facts.has_tiny_kernel) return tiny_cell<T, typename Kernel<T>::Nonlinearity>(a); \
    break;
    ELMAN_CELLS(ELMAN_CELL_TINY)
#undef ELMAN_CELL_TINY
  }
  return 0;
}

}  // namespace elman::ELMAN_TARGET
