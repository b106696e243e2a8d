// Moves a small network into the layout of the tiny kernel, trains it there, and moves it back.
#pragma once

#include "losses.h"
#include "optimisers.h"
#include "shape.h"

namespace elman {

// P pieces of one step of one sequence.
template <class T>
struct TinyInput {
  const T* x;       // (P, D)
  const T* values;  // targets
  const int64_t* classes;
  const bool* fresh;
  int64_t pieces;
  const T* h;  // (H,) or null
};

// What came of each piece, (P,) each.
struct TrainOutput {
  double *losses, *weights, *norms;
  int64_t *correct, *scored;
};

template <class T>
class TinyTrainer {
 public:
  TinyTrainer(const Shape& shape, const Layout& layout, const Kernels<T>& kernels);

  // Rule: one layer of a cell that tiny.h has, dense inputs, and weights that stay in the nearest cache. Larger ones
  // gain from the general path's packed products what they lose by its fixed cost. Measured in docs/native-engine.md.
  static bool fits(const Shape& shape, const OptimiserOptions& optimiser);

  // Trains on the pieces; h_out gets the last state. Returns how many were worked on.
  int64_t train(T* parameters, Optimiser<T>& optimiser, double learning_rate, uint64_t updates, const LossOptions& loss,
                const TinyInput<T>& in, const TrainOutput& out, T* h_out);

 private:
  // Between a block in the network's layout and one in the kernel's.
  void pack(const T* from, T* to) const;
  void unpack(const T* from, T* to) const;
  template <class F>
  void for_each(F&& visit) const;

  const Shape shape_;
  const Layout layout_;
  const Kernels<T>& k_;
  int64_t padded_, size_;
  Buffer<T> blocks_, rows_;
};

}  // namespace elman
