// One network with its parameters, loss and optimiser: everything that the engine contract asks for, a call each.
//
// Arrays that go in and out are batch-first, as in elman/engines/contract.py: inputs (N, T, D) or tokens (N, T), states
// (L * R, N, H), outputs (N, T, O) or (N, O). All of one call's numbers are checked by the caller.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "buffer.h"
#include "head.h"
#include "losses.h"
#include "optimisers.h"
#include "pool.h"
#include "shape.h"
#include "stack.h"
#include "tiny_trainer.h"

namespace elman {

// P pieces of one shape, trained on one after the other.
template <class T>
struct TrainInput {
  const T* dense = nullptr;         // (P, N, T, D)
  const int64_t* tokens = nullptr;  // (P, N, T)
  const T* values = nullptr;        // targets
  const int64_t* classes = nullptr;
  const int64_t* lengths = nullptr;  // (P, N) or null
  const bool* fresh = nullptr;       // (P,)
  int64_t pieces = 0, count = 0, steps = 0;
  State<const T> state;  // that the first piece goes on from; null for zero
};

template <class T>
class Engine {
 public:
  Engine(const Shape& shape, std::optional<LossOptions> loss, std::optional<OptimiserOptions> optimiser,
         int64_t backprop_steps, uint64_t seed);

  double learning_rate = 0;
  uint64_t updates = 0;

  const Shape& shape() const { return shape_; }
  const Layout& layout() const { return layout_; }
  const Kernels<T>& kernels() const { return k_; }
  const T* parameters() const { return parameters_.data(); }
  uint64_t version() const { return version_; }
  int64_t size() const { return layout_.total; }

  void load_parameters(const T* from);
  void copy_parameters(T* to) const;
  // One of the optimiser's memories; null where there is none.
  T* memory(OptimiserMemory which);

  int64_t targets_per_row() const { return loss_ ? loss_->targets_per_row(shape_.output_size) : 0; }
  bool has_loss() const { return loss_.has_value(); }
  bool class_targets() const { return loss_ && loss_->kind == LossKind::cross_entropy; }
  int64_t ignore_index() const { return loss_ ? loss_->ignore_index : 0; }

  void forward(const PassInput<T>& input, T* outputs, State<T> last);
  LossValue evaluate(const PassInput<T>& input, const T* values, const int64_t* classes, State<T> last);
  LossValue gradients(const PassInput<T>& input, const T* values, const int64_t* classes, T* outputs,
                      const PassGradients<T>& into, State<T> last);
  // Returns how many pieces were worked on: all, or up to the first whose loss or norm is not finite.
  int64_t train(const TrainInput<T>& input, const TrainOutput& out, State<T> last);

  // A forward pass that saves everything, then its gates and states, (T, N, Hp) rows, for inspection.
  void trace(const PassInput<T>& input, T* outputs, State<T> last);
  const Stack<T>& stack() const { return stack_; }

  int64_t bytes() const { return stack_.bytes(); }

 private:
  void run_head(Rows<T> outputs, Team& team);
  void copy_last(State<T> last) const;
  LossValue forward_backward(const PassInput<T>& input, const T* values, const int64_t* classes,
                             const PassGradients<T>& into, Team& team);
  int64_t train_tiny(const TrainInput<T>& input, const TrainOutput& out, State<T> last);
  int64_t head_steps() const { return shape_.head_last() ? 1 : steps_; }

  const Shape shape_;
  const Layout layout_;
  const Kernels<T>& k_;
  const std::optional<LossOptions> loss_;
  const int64_t backprop_steps_;
  const uint64_t seed_;
  std::optional<Optimiser<T>> optimiser_;
  std::optional<TinyTrainer<T>> tiny_;  // where the network is small enough
  Stack<T> stack_;
  Head<T> head_;
  uint64_t version_ = 1;
  int64_t steps_ = 0, count_ = 0;
  Rows<const T> top_;  // what the head reads
  Buffer<T> parameters_, gradients_, outputs_, d_outputs_, top_last_, d_top_last_, d_last_, carried_h_, carried_c_;
  Buffer<double> totals_;
  std::mutex busy_;  // one call at a time; Python may call from several threads
};

}  // namespace elman
