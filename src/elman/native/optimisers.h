// Clipping and updating the block of parameters; the twin of elman/engines/optimisers.py.
#pragma once

#include <cstdint>

#include "buffer.h"
#include "kernels/kernels.h"
#include "pool.h"

namespace elman {

// What `Optimiser` of elman/engines/options.py is, but for the learning rate, which changes.
struct OptimiserOptions {
  OptimiserKind kind;
  double momentum = 0, weight_decay = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, alpha = 0.99;
  bool nesterov = false;
  double clip_value = 0, clip_norm = 0;  // 0 for none

  bool has_first() const { return kind == OptimiserKind::adam || kind == OptimiserKind::adamw; }
  bool has_second() const { return kind != OptimiserKind::sgd; }
  bool has_momentum() const { return momentum != 0 && (kind == OptimiserKind::sgd || kind == OptimiserKind::rmsprop); }
};

// What an optimiser remembers of each parameter, by PyTorch's names.
enum class OptimiserMemory : int { exp_avg, exp_avg_sq, square_avg, momentum_buffer };

template <class T>
class Optimiser {
 public:
  Optimiser(const OptimiserOptions& options, const Kernels<T>& kernels, int64_t size);

  // Cuts entries by value, then scales by the global norm. Returns the norm before any clipping.
  double clip(T* gradients, Team& team);

  // updates: how many were made before this one.
  void update(T* parameters, const T* gradients, double learning_rate, uint64_t updates, Team& team);

  const OptimiserOptions& options() const { return options_; }

  // What the update kernel needs to know, but for where the parameters and gradients are.
  UpdateArgs<T> arguments(double learning_rate, uint64_t updates);

  // A block of numbers like the parameters'; null where this optimiser has no such memory.
  T* memory(OptimiserMemory which);

  // exp_avg; exp_avg_sq or square_avg; momentum_buffer. Null where there is none.
  T* first() { return options_.has_first() ? first_.data() : nullptr; }
  T* second() { return options_.has_second() ? second_.data() : nullptr; }
  T* momentum_buffer() { return options_.has_momentum() ? momentum_buffer_.data() : nullptr; }

 private:
  double norm(const T* gradients, Team& team);

  const OptimiserOptions options_;
  const Kernels<T>& k_;
  const int64_t size_;
  Buffer<T> first_, second_, momentum_buffer_;
  Buffer<double> partials_;
};

}  // namespace elman
