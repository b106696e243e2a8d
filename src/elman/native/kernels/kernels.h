// The kernels by name: what the engine asks of an instruction set, as one table of functions.
//
// Shapes: N sequences, T steps, D features, H hidden units, G gates, S slots (cells/facts.h); W is the width of a
// vector. Everything is time-major: the N rows of a step lie together. Rows of hidden units are padded to Hp, the next
// multiple of W, so no kernel has an edge; what stands in the padding is never read into a real element.
//
// Every element of a product is one chain of multiply-adds in the order of its inner dimension, whatever tile, row or
// thread computes it. So results are the same bits for any batch split, any number of threads, and for a stream. Sums
// over rows, as gradients are, are made of many such chains: in one, the rounding errors of all rows would add up.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cells/list.h"

namespace elman {

enum class OptimiserKind : int { sgd, adam, adamw, rmsprop };

// Rows whose sum is one chain.
inline constexpr int64_t chain = 128;

// A time-major array: the row of step t and sequence n begins at data + t * step + n * sequence.
template <class T>
struct Rows {
  T* data = nullptr;
  int64_t step = 0, sequence = 0;

  T* at(int64_t t, int64_t n = 0) const { return data + t * step + n * sequence; }
};

// A matrix (K, columns) packed for products: panels of `per_panel` vectors of columns, in a panel row after row.
template <class T>
struct Panels {
  const T* data = nullptr;
  int64_t vectors = 0;
  int per_panel = 1;
};

// Steps [t0, t1), sequences [n0, n1), vectors of columns [v0, v1) (whole panels): one thread's part of the work.
struct Part {
  int64_t t0, t1, n0, n1, v0, v1;
};

class Barrier;

// c = a b + bias, or c += a b. A row of a is `segments` pieces of `length` numbers, `segment_stride` apart.
template <class T>
struct ProductArgs {
  Rows<const T> a;
  int64_t segments, length, segment_stride;
  Panels<T> b;
  const T* bias;  // `vectors` whole vectors, or null
  Rows<T> c;
  int64_t columns;  // real columns of c; the last vector may be cut by it
  bool accumulate;
};

// c[i, o] = sum over k of a[i, k] w[o, k] + bias[o], for so few outputs that vectors run along k.
template <class T>
struct DotArgs {
  Rows<const T> a;
  int64_t segments, length, segment_stride;
  const T* w;
  const T* bias;
  Rows<T> c;
  int64_t outputs;
};

// One layer in one direction, forward: steps [step0, step1) of the walk.
template <class T>
struct ForwardArgs {
  Cell cell;
  bool save;  // whether the slots are left as the backward pass needs them
  bool reverse;
  int64_t steps, hidden, padded;
  int64_t step0, step1;
  int64_t turn;   // 1 to visit the panels of even steps from last to first, instead of those of odd steps
  Rows<T> slots;  // in: the projected inputs; row t is at slots.at(t - slots_first)
  int64_t slots_first;
  Rows<T> h;            // the state after step t is at h.at(t + 1), before it at h.at(t), reverse: at h.at(t + 2)
  Rows<T> c;            // likewise, where the cell has one
  Panels<T> weights;    // W_hh: columns by hidden vector, then gate; `vectors` and `per_panel` count hidden vectors
  const T* inner_bias;  // b_hh of the gate that CellFacts names, padded, or null
  const int64_t* lengths;
  Barrier* barrier;  // passed after each step; null when this thread has all columns of its rows
  int64_t n0, n1, v0, v1;
};

// The same, backward: from step step1 - 1 of the walk down to step0.
template <class T>
struct BackwardArgs {
  Cell cell;
  bool reverse;
  int64_t steps, hidden, padded;
  int64_t step0, step1;
  Rows<const T> slots;      // what the forward pass saved; a cell of one slot needs none
  Rows<T> d_slots;          // out: the gradients of the gates; may be the same memory as slots
  Rows<const T> h, c;       // as in ForwardArgs
  Panels<T> weights;        // W_hh as (G * H, H)
  Rows<const T> d_outputs;  // null data for zero
  Rows<T> dh, dc;           // in: gradient of the last state; out: of the first (step stride unused)
  const int64_t* lengths;
  int64_t backprop_steps;  // 0 for all
  Barrier* barrier;
  int64_t n0, n1, v0, v1;
};

// c (M, N) = or += the sum over K rows of a[k, i] b[k, j]; rows [m0, m1) of c.
template <class T>
struct OuterArgs {
  const T* a;
  int64_t a_stride;
  const T* b;
  int64_t b_stride;
  T* c;
  int64_t c_stride;
  int64_t n, k;
  bool accumulate;
  int64_t m0, m1;
  T* work;  // outer_work(...) numbers for packing
};

template <class T>
struct UpdateArgs {
  OptimiserKind kind;
  T* p;
  const T* g;
  T *first, *second, *momentum_buffer;  // exp_avg, exp_avg_sq or square_avg, momentum_buffer; null where there is none
  double learning_rate, momentum, weight_decay, beta1, beta2, eps, alpha;
  double correction1, correction2;  // 1 - beta^t
  bool nesterov;
};

// Pieces of one step of one sequence through an elman network, each followed by an update. See tiny.h for the layout.
template <class T>
struct TinyArgs {
  Cell cell;
  int64_t inputs, hidden, outputs, padded, size;
  bool bias, head_bias;
  T *p, *g;
  UpdateArgs<T> update;          // on the blocks p and g
  uint64_t updates;              // made before the first piece
  double clip_value, clip_norm;  // 0 for none
  int64_t pieces;
  const T* x;                  // (P, D)
  const bool* fresh;           // (P,)
  T* h;                        // (2, Hp): in the first row the state, in and out
  const T* lanes;              // (Hp,): 1 for a hidden unit, 0 for padding
  T *outputs_row, *d_outputs;  // room for O
  // The loss of a piece; writes the gradient of its outputs.
  double (*loss)(void* context, int64_t piece, const T* outputs, T* d_outputs);
  void* loss_context;
  double *losses, *norms;  // (P,)
};

struct SoftmaxResult {
  double log_total;  // log of the sum of exp(logit - largest)
  double largest;
};

template <class T>
struct Kernels {
  const char* name;
  int width;       // W
  int wide_panel;  // vectors of columns in a panel when there are many rows
  int tall_panel;  // the same for a single row

  // dst[k * stride + lane] = source[lane * ld + k] for lanes < count, else 0
  void (*pack_transposed)(T* dst, int64_t stride, const T* source, int64_t ld, int64_t count, int64_t k);
  // `count` rows of a source (rows of pieces of `piece` numbers, each starting on a new vector), into rows from `to` on
  // of panels that have `inner` rows
  void (*pack_rows)(T* dst, const Panels<T>& panels, int64_t inner, int64_t to, const T* source, int64_t ld,
                    int64_t piece, int64_t count);

  void (*product)(const ProductArgs<T>&, const Part&);
  void (*dot)(const DotArgs<T>&, const Part&);
  void (*forward)(const ForwardArgs<T>&);
  void (*backward)(const BackwardArgs<T>&);
  void (*outer)(const OuterArgs<T>&);
  int64_t (*outer_work)(int64_t m, int64_t n, int64_t k);
  // total[j] = sum over k rows of a[k * stride + j], whole vectors [v0, v1)
  void (*column_sums)(const T* a, int64_t stride, int64_t k, T* total, int64_t v0, int64_t v1);
  void (*add)(T* into, const T* from, int64_t n);
  void (*multiply)(T* out, const T* a, const T* b, int64_t n);
  void (*scale)(T* p, T factor, int64_t n);
  void (*clip)(T* p, T limit, int64_t n);
  double (*sum_of_squares)(const T* p, int64_t n);
  void (*update)(const UpdateArgs<T>&, int64_t from, int64_t to);
  // out = softmax(logits)
  SoftmaxResult (*softmax)(const T* logits, T* out, int64_t n);
  int64_t (*tiny)(const TinyArgs<T>&);  // returns how many pieces were worked on; 0 without `has_tiny_kernel`
  // the nonlinearity of an elman cell by itself, for tests of accuracy; false where the cell is another
  bool (*activate)(Cell cell, const T* in, T* out, int64_t n);
};

// The table of an instruction set; null where this build or this processor has none.
template <class T>
const Kernels<T>* plain_kernels();
template <class T>
const Kernels<T>* avx2_kernels();
template <class T>
const Kernels<T>* avx512_kernels();
template <class T>
const Kernels<T>* neon_kernels();

}  // namespace elman
