// The recurrent layers of a network: forward, and backpropagation through time, for every layer and direction.
//
// Memory kept between a forward pass and its backward pass, in numbers, with S slots (kernels.h), R directions:
//   T * N * L * R * (S + 1) * Hp + T * N * D (dense inputs), LSTM: T * N * L * R * Hp more for c,
//   dropout: T * N * (L - 1) * R * 2 Hp more. Without `keep`: T * N * R * 2 Hp and some chunks.
#pragma once

#include <memory>
#include <vector>

#include "buffer.h"
#include "kernels.h"
#include "packed.h"
#include "pool.h"
#include "shape.h"

namespace elman {

// A state or its gradient: (L * R, N, H) arrays, c for the LSTM alone. Null for zero, or for not wanted.
template <class T>
struct State {
  T* h = nullptr;
  T* c = nullptr;
};

// What a pass is given. dense: rows of D numbers, in whichever order; tokens: (N, T); lengths (N) or null.
template <class T>
struct PassInput {
  Rows<const T> dense;
  const int64_t* tokens = nullptr;
  int64_t count = 0, steps = 0;
  const int64_t* lengths = nullptr;
  State<const T> state;
  bool keep = false;
  bool drop = false;  // dropout between layers
  uint64_t seed = 0, update = 0;
};

// Where the gradients go. Null where one is not wanted.
template <class T>
struct PassGradients {
  T* parameters = nullptr;  // the whole block; only the layers' part is written
  Rows<T> inputs;           // rows of D numbers, in whichever order
  State<T> state;           // of the initial state
};

template <class T>
class Stack {
 public:
  Stack(const Shape& shape, const Layout& layout, const Kernels<T>& kernels);

  int64_t padded() const { return packer_.padded(); }

  // parameters: the whole block; version: changes whenever it does. `input` must live until the backward pass.
  void forward(const T* parameters, uint64_t version, const PassInput<T>& input, Team& team);

  // Outputs of the top layer, valid until the next pass: rows of R pieces of Hp.
  Rows<const T> top() const { return top_; }

  // Last states (L * R, N, H), those after each sequence's last valid step.
  const T* last_h() const { return last_h_.data(); }
  const T* last_c() const { return last_c_.data(); }

  // After a forward pass with keep. d_outputs: gradient of top(), null data for zero. d_last: of the last states.
  void backward(const PassGradients<T>& into, Rows<const T> d_outputs, State<const T> d_last, int64_t backprop_steps,
                Team& team);

  // Room for the gradient of top().
  T* d_top() { return d_above_.reserve(input_.steps * input_.count * wide()); }

  // For inspection after a pass with keep: the gate slot of a row, time-major (T, N), and its states after each step.
  Rows<const T> gate(int64_t row, int slot) const;
  Rows<const T> states(int64_t row, bool cell) const;

  int64_t bytes() const;

 private:
  enum class Split { none, rows, columns };
  struct Plan {
    Split split;
    int parts;
    double patience_us;  // how long the start may wait for other threads
  };

  // work(part, parts, barrier): the barrier is null where each part has sequences of its own.
  template <class F>
  static void run_plan(const Plan& plan, Team& team, F&& work) {
    if (plan.split == Split::columns)
      team.together(plan.parts, plan.patience_us,
                    [&](int part, int parts, Barrier& barrier) { work(part, parts, parts > 1 ? &barrier : nullptr); });
    else
      team.run(plan.parts, [&](int part, int parts) { work(part, parts, static_cast<Barrier*>(nullptr)); });
  }

  int64_t wide() const { return shape_.directions * padded(); }
  LayerSource<T> source(const T* parameters, int64_t row) const;
  Plan plan(int64_t steps, int64_t count) const;
  void load_inputs(Team& team);
  void drop_outputs(int64_t layer, Team& team);
  void run_layer(int64_t row, Team& team);
  void project(int64_t row, Rows<T> gates, int64_t first, int64_t t0, int64_t t1, int64_t n0, int64_t n1, int64_t v0,
               int64_t v1) const;
  void layer_backward(int64_t row, const PassGradients<T>& into, Rows<const T> d_outputs, State<const T> d_last,
                      int64_t backprop_steps, int64_t from, Team& team);
  void weight_gradients(int64_t row, const PassGradients<T>& into, int64_t from, Team& team);
  void input_gradients(int64_t row, Rows<T> into, int64_t columns, int64_t from, Team& team);
  Rows<const T> layer_input(int64_t layer) const;

  const Shape shape_;
  const Layout layout_;
  const Kernels<T>& k_;
  const Packer<T> packer_;
  PassInput<T> input_;
  const T* parameters_ = nullptr;
  uint64_t version_ = 0;
  Rows<const T> top_;
  int used_threads_ = 1;

  std::vector<LayerWeights<T>> weights_;    // by row
  std::vector<Buffer<T>> gates_;            // by row: (T, N, S * Hp)
  std::vector<Buffer<T>> h_, c_;            // by layer: (T + 2, N, R * Hp)
  std::vector<Buffer<T>> masks_, dropped_;  // by layer: (T, N, R * Hp)
  Buffer<T> x_;                             // (T, N, D padded)
  Buffer<T> last_h_, last_c_;
  Buffer<T> dh_, dc_;            // (N, Hp)
  Buffer<T> d_above_, d_below_;  // (T, N, R * Hp)
  Buffer<T> scratch_;
};

}  // namespace elman
