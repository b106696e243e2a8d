// The losses and their derivatives; the twins of elman/engines/losses.py.
#pragma once

#include <cstdint>
#include <vector>

#include "buffer.h"
#include "kernels/kernels.h"
#include "pool.h"

namespace elman {

enum class LossKind : int { mse, half_mse, mae, huber, cross_entropy, quantile, gaussian };

// What `Loss` of elman/engines/options.py is.
struct LossOptions {
  LossKind kind;
  bool mean = true;  // or the sum
  double delta = 1;
  std::vector<double> quantiles = {}, class_weights = {};
  int64_t ignore_index = -100;

  // Numbers that stand for one position in the targets.
  int64_t targets_per_row(int64_t outputs) const {
    if (kind == LossKind::cross_entropy) return 1;
    if (kind == LossKind::quantile) return outputs / static_cast<int64_t>(quantiles.size());
    return kind == LossKind::gaussian ? outputs / 2 : outputs;
  }
};

struct LossValue {
  double value = 0, weight = 0;
  int64_t correct = 0, scored = 0;  // positions: right ones, of how many that count
};

// Outputs by (step, sequence), targets by sequence and step; exactly one kind of target is given. Positions at or past
// a sequence's length do not count. gradient: rows like the outputs', null data for none.
template <class T>
struct LossInput {
  Rows<const T> outputs;
  Rows<T> gradient;
  const T* values;
  const int64_t* classes;
  int64_t steps, count, output_size;
  const int64_t* lengths;
};

// One row of outputs: its part of the sum, and its gradient times `scale`, where that is wanted. `room` has place for
// a row; the gradient goes there too, so it may be null only where neither is needed (other losses than classes).
template <class T>
double loss_row(const LossOptions& loss, const Kernels<T>& kernels, const T* outputs, const T* values, int64_t target,
                int64_t output_size, double scale, T* room, bool with_gradient);

template <class T>
LossValue evaluate_loss(const LossOptions& loss, const Kernels<T>& kernels, const LossInput<T>& input,
                        Buffer<double>& totals, Team& team);

}  // namespace elman
