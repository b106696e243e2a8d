// Clipping and updating the block of parameters; the twin of elman/engines/optimisers.py.
#pragma once

#include <cstdint>

#include "buffer.h"
#include "kernels.h"
#include "pool.h"

namespace elman {

struct OptimiserSpec {
  Update kind;
  double momentum, weight_decay, beta1, beta2, eps, alpha;
  bool nesterov;
  double clip_value, clip_norm;  // 0 for none

  bool has_first() const { return kind == Update::adam || kind == Update::adamw; }
  bool has_second() const { return kind != Update::sgd; }
  bool has_momentum() const { return momentum != 0 && (kind == Update::sgd || kind == Update::rmsprop); }
};

template <class T>
class Optimiser {
 public:
  Optimiser(const OptimiserSpec& spec, const Kernels<T>& kernels, int64_t size);

  // Cuts entries by value, then scales by the global norm. Returns the norm before any clipping.
  double clip(T* gradients, Team& team);

  // updates: how many were made before this one.
  void update(T* parameters, const T* gradients, double learning_rate, uint64_t updates, Team& team);

  const OptimiserSpec& spec() const { return spec_; }

  // What the update kernel needs to know, but for where the parameters and gradients are.
  UpdateArgs<T> arguments(double learning_rate, uint64_t updates);

  // The memories in the order exp_avg, exp_avg_sq or square_avg, momentum_buffer; null where not kept.
  T* first() { return spec_.has_first() ? first_.data() : nullptr; }
  T* second() { return spec_.has_second() ? second_.data() : nullptr; }
  T* momentum_buffer() { return spec_.has_momentum() ? momentum_buffer_.data() : nullptr; }

 private:
  double norm(const T* gradients, Team& team);

  const OptimiserSpec spec_;
  const Kernels<T>& k_;
  const int64_t size_;
  Buffer<T> first_, second_, momentum_buffer_;
  Buffer<double> partials_;
};

}  // namespace elman
