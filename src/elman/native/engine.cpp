#include "engine.h"

#include <algorithm>
#include <cmath>

#include "denormals.h"
#include "isa.h"

namespace elman {

template <class T>
Engine<T>::Engine(const Shape& shape, std::optional<LossOptions> loss, std::optional<OptimiserOptions> optimiser,
                  int64_t backprop_steps, uint64_t seed)
    : shape_(shape),
      layout_(shape),
      k_(kernels_for<T>(shape.hidden_size)),
      loss_(std::move(loss)),
      backprop_steps_(backprop_steps),
      seed_(seed),
      stack_(shape_, layout_, k_),
      head_(shape_, layout_, k_) {
  parameters_.zeros(layout_.total);
  if (!optimiser) return;
  optimiser_.emplace(*optimiser, k_, layout_.total);
  if (TinyTrainer<T>::fits(shape_, *optimiser)) tiny_.emplace(shape_, layout_, k_);
}

template <class T>
void Engine<T>::load_parameters(const T* from) {
  const std::lock_guard<std::mutex> guard(busy_);
  std::copy_n(from, layout_.total, parameters_.data());
  ++version_;
}

template <class T>
void Engine<T>::copy_parameters(T* to) const {
  std::copy_n(parameters_.data(), layout_.total, to);
}

template <class T>
T* Engine<T>::memory(OptimiserMemory which) {
  return optimiser_ ? optimiser_->memory(which) : nullptr;
}

// The head on what the layers gave: every step, or the last states of the top layer side by side.
template <class T>
void Engine<T>::run_head(Rows<T> outputs, Team& team) {
  top_ = stack_.top();
  if (shape_.head_last()) {
    const int64_t hidden = shape_.hidden_size, hp = stack_.padded(), wide = shape_.directions * hp;
    T* top = top_last_.reserve(count_ * wide);
    const T* last = stack_.last_h() + (shape_.rows() - shape_.directions) * count_ * hidden;
    for (int64_t d = 0; d < shape_.directions; ++d)
      for (int64_t n = 0; n < count_; ++n) {
        T* row = top + n * wide + d * hp;
        std::copy_n(last + (d * count_ + n) * hidden, hidden, row);
        std::fill_n(row + hidden, hp - hidden, T(0));
      }
    top_ = {top, count_ * wide, wide};
  }
  head_.forward(parameters_.data(), version_, top_, outputs, head_steps(), count_, team);
}

template <class T>
void Engine<T>::copy_last(State<T> last) const {
  const int64_t numbers = shape_.rows() * count_ * shape_.hidden_size;
  if (last.h) std::copy_n(stack_.last_h(), numbers, last.h);
  if (last.c) std::copy_n(stack_.last_c(), numbers, last.c);
}

namespace {

// Zeros at the steps that a sequence does not have.
template <class T>
void clear_padding(T* outputs, const int64_t* lengths, int64_t count, int64_t steps, int64_t size) {
  if (!lengths) return;
  for (int64_t n = 0; n < count; ++n)
    std::fill(outputs + (n * steps + lengths[n]) * size, outputs + (n + 1) * steps * size, T(0));
}

}  // namespace

template <class T>
void Engine<T>::forward(const PassInput<T>& input, T* outputs, State<T> last) {
  const std::lock_guard<std::mutex> guard(busy_);
  const FlushDenormals flush;
  Team team;
  steps_ = input.steps, count_ = input.count;
  stack_.forward(parameters_.data(), version_, input, team);
  run_head({outputs, shape_.output_size, head_steps() * shape_.output_size}, team);
  if (!shape_.head_last()) clear_padding(outputs, input.lengths, count_, steps_, shape_.output_size);
  copy_last(last);
}

template <class T>
void Engine<T>::trace(const PassInput<T>& input, T* outputs, State<T> last) {
  PassInput<T> saving = input;
  saving.save = true;
  forward(saving, outputs, last);
}

template <class T>
LossValue Engine<T>::evaluate(const PassInput<T>& input, const T* values, const int64_t* classes, State<T> last) {
  const std::lock_guard<std::mutex> guard(busy_);
  const FlushDenormals flush;
  Team team;
  steps_ = input.steps, count_ = input.count;
  stack_.forward(parameters_.data(), version_, input, team);
  const int64_t stride = head_.padded_outputs();
  const Rows<T> outputs{outputs_.reserve(head_steps() * count_ * stride), count_ * stride, stride};
  run_head(outputs, team);
  copy_last(last);
  return evaluate_loss<T>(*loss_, k_,
                          {.outputs = {outputs.data, outputs.step, outputs.sequence},
                           .gradient = {},
                           .values = values,
                           .classes = classes,
                           .steps = head_steps(),
                           .count = count_,
                           .output_size = shape_.output_size,
                           .lengths = input.lengths},
                          totals_, team);
}

template <class T>
LossValue Engine<T>::forward_backward(const PassInput<T>& input, const T* values, const int64_t* classes,
                                      const PassGradients<T>& into, Team& team) {
  steps_ = input.steps, count_ = input.count;
  stack_.forward(parameters_.data(), version_, input, team);
  const int64_t stride = head_.padded_outputs(), rows = head_steps() * count_;
  const Rows<T> outputs{outputs_.reserve(rows * stride), count_ * stride, stride};
  const Rows<T> d_outputs{d_outputs_.reserve(rows * stride), count_ * stride, stride};
  run_head(outputs, team);
  const LossValue value = evaluate_loss<T>(*loss_, k_,
                                           {.outputs = {outputs.data, outputs.step, outputs.sequence},
                                            .gradient = d_outputs,
                                            .values = values,
                                            .classes = classes,
                                            .steps = head_steps(),
                                            .count = count_,
                                            .output_size = shape_.output_size,
                                            .lengths = input.lengths},
                                           totals_, team);
  const int64_t hp = stack_.padded(), wide = shape_.directions * hp;
  T* d_top = shape_.head_last() ? d_top_last_.reserve(count_ * wide) : stack_.d_top();
  head_.backward(parameters_.data(), version_, top_, d_outputs.data, d_top, into.parameters, head_steps(), count_,
                 team);
  if (shape_.head_last()) {
    const int64_t hidden = shape_.hidden_size;
    T* d_last = d_last_.zeros(shape_.rows() * count_ * hidden);
    T* d_topmost = d_last + (shape_.rows() - shape_.directions) * count_ * hidden;
    for (int64_t d = 0; d < shape_.directions; ++d)
      for (int64_t n = 0; n < count_; ++n)
        std::copy_n(d_top + n * wide + d * hp, hidden, d_topmost + (d * count_ + n) * hidden);
    stack_.backward(into, {}, {d_last, nullptr}, backprop_steps_, team);
  } else {
    stack_.backward(into, {d_top, count_ * wide, wide}, {}, backprop_steps_, team);
  }
  return value;
}

template <class T>
LossValue Engine<T>::gradients(const PassInput<T>& input, const T* values, const int64_t* classes, T* outputs,
                               const PassGradients<T>& into, State<T> last) {
  const std::lock_guard<std::mutex> guard(busy_);
  const FlushDenormals flush;
  Team team;
  PassInput<T> saving = input;
  saving.save = true;
  saving.seed = seed_;
  saving.update = updates;
  const LossValue value = forward_backward(saving, values, classes, into, team);
  const int64_t stride = head_.padded_outputs(), size = shape_.output_size;
  for (int64_t t = 0; t < head_steps(); ++t)
    for (int64_t n = 0; n < count_; ++n)
      std::copy_n(outputs_.data() + (t * count_ + n) * stride, size, outputs + (n * head_steps() + t) * size);
  if (!shape_.head_last()) clear_padding(outputs, input.lengths, count_, steps_, size);
  copy_last(last);
  return value;
}

template <class T>
int64_t Engine<T>::train(const TrainInput<T>& in, const TrainOutput& out, State<T> last) {
  const std::lock_guard<std::mutex> guard(busy_);
  const FlushDenormals flush;
  if (tiny_ && in.count == 1 && in.steps == 1 && !in.lengths) return train_tiny(in, out, last);
  Team team;
  gradients_.reserve(layout_.total);
  PassInput<T> input;
  input.count = in.count;
  input.steps = in.steps;
  input.save = true;
  input.drop = true;
  input.seed = seed_;
  PassGradients<T> into;
  into.parameters = gradients_.data();
  const int64_t per_piece = in.count * in.steps, states = shape_.rows() * in.count * shape_.hidden_size;
  const int64_t targets = in.count * (shape_.head_last() ? 1 : in.steps) * targets_per_row();
  int64_t piece = 0;
  while (piece < in.pieces) {
    if (in.dense)
      input.dense = {in.dense + piece * per_piece * shape_.input_size, shape_.input_size, in.steps * shape_.input_size};
    if (in.tokens) input.tokens = in.tokens + piece * per_piece;
    if (in.lengths) input.lengths = in.lengths + piece * in.count;
    input.update = updates;
    if (in.fresh[piece]) {
      input.state = {};
    } else if (piece == 0) {
      input.state = in.state;
    } else {
      input.state.h = std::copy_n(stack_.last_h(), states, carried_h_.reserve(states)) - states;
      if (shape_.has_cell_state())
        input.state.c = std::copy_n(stack_.last_c(), states, carried_c_.reserve(states)) - states;
    }
    const LossValue value = forward_backward(input, in.values ? in.values + piece * targets : nullptr,
                                             in.classes ? in.classes + piece * targets : nullptr, into, team);
    const double norm = optimiser_->clip(gradients_.data(), team);
    out.losses[piece] = value.value;
    out.weights[piece] = value.weight;
    out.norms[piece] = norm;
    out.correct[piece] = value.correct;
    out.scored[piece] = value.scored;
    ++piece;
    if (!std::isfinite(value.value + norm)) break;
    optimiser_->update(parameters_.data(), gradients_.data(), learning_rate, updates, team);
    ++updates;
    ++version_;
  }
  copy_last(last);
  return piece;
}

template <class T>
int64_t Engine<T>::train_tiny(const TrainInput<T>& in, const TrainOutput& out, State<T> last) {
  const int64_t trained = tiny_->train(parameters_.data(), *optimiser_, learning_rate, updates, *loss_,
                                       {.x = in.dense,
                                        .values = in.values,
                                        .classes = in.classes,
                                        .fresh = in.fresh,
                                        .pieces = in.pieces,
                                        .h = in.state.h},
                                       out, last.h);
  const bool stopped = !std::isfinite(out.losses[trained - 1] + out.norms[trained - 1]);
  updates += static_cast<uint64_t>(stopped ? trained - 1 : trained);
  ++version_;
  return trained;
}

template class Engine<float>;
template class Engine<double>;

}  // namespace elman
