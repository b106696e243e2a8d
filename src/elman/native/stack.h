// The recurrent layers of a network: forward, and backpropagation through time, for every layer and direction.
//
// Memory saved between a forward pass and its backward pass, in numbers, with S slots (cells/facts.h), R directions:
//   T * N * L * R * (S + 1) * Hp + T * N * D (dense inputs), LSTM: T * N * L * R * Hp more for c,
//   dropout: T * N * (L - 1) * R * 2 Hp more. Without `save`: T * N * R * 2 Hp and some chunks.
// It lies in buffers of the stack's own, or in memory of the caller's (`PassInput::saved`). The latter holds no inputs,
// no slots of cells that have only one, and is only read by the backward pass, which may run again or somewhere else.
#pragma once

#include <memory>
#include <vector>

#include "buffer.h"
#include "kernels/kernels.h"
#include "packed.h"
#include "pool.h"
#include "shape.h"

namespace elman {

// A state or its gradient: (L * R, N, H) arrays, c where the cell has one. Null for zero, or for a gradient that nobody
// needs.
template <class T>
struct State {
  T* h = nullptr;
  T* c = nullptr;
};

// What goes into a pass. dense: rows of D numbers, in whichever order; tokens: (N, T); lengths (N) or null; starts
// (T + 1) where dense rows are packed: those of step t are the rows from starts[t] on, sequences sorted by length.
template <class T>
struct PassInput {
  Rows<const T> dense;
  const int64_t* starts = nullptr;
  const int64_t* tokens = nullptr;
  int64_t count = 0, steps = 0;
  const int64_t* lengths = nullptr;
  State<const T> state;
  bool save = false;  // what a backward pass needs
  bool drop = false;  // dropout between layers
  uint64_t seed = 0, update = 0;
  // Dropout by masks of the caller's: for each layer but the last, rows of R * H numbers, time-major or packed.
  const T* masks = nullptr;
  T* saved = nullptr;  // `saved_size` numbers for what a pass saves, or null
};

// Where the gradients of one row's parameters go. Null for those that nobody needs.
template <class T>
struct RowGradients {
  T *ih = nullptr, *hh = nullptr, *bias_ih = nullptr, *bias_hh = nullptr;

  bool any() const { return ih || hh || bias_ih || bias_hh; }
};

// Where the gradients go. Null for those that nobody needs.
template <class T>
struct PassGradients {
  T* parameters = nullptr;                // the whole block; only the layers' part is written
  Rows<T> inputs;                         // rows of D numbers, in whichever order
  State<T> state;                         // of the initial state
  const RowGradients<T>* rows = nullptr;  // instead of the block: one by one
};

template <class T>
class Stack {
 public:
  Stack(const Shape& shape, const Layout& layout, const Kernels<T>& kernels);

  int64_t padded() const { return packer_.padded(); }

  // parameters: the whole block; version: changes whenever it does. `input` must live until the backward pass.
  void forward(const T* parameters, uint64_t version, const PassInput<T>& input, Team& team);

  // The same with the parameters one by one: a source for each row.
  void forward(const LayerSource<T>* sources, uint64_t version, const PassInput<T>& input, Team& team);

  // Before a backward pass on memory of the caller's: as it was after the forward pass with this input.
  void resume(const LayerSource<T>* sources, uint64_t version, const PassInput<T>& input, Team& team);

  // Numbers for `PassInput::saved`.
  int64_t saved_size(int64_t steps, int64_t count, bool masks) const;

  // Outputs of the top layer, valid until the next pass: rows of R pieces of Hp.
  Rows<const T> top() const { return top_; }

  // Last states (L * R, N, H), those after each sequence's last valid step.
  const T* last_h() const { return last_h_.data(); }
  const T* last_c() const { return last_c_.data(); }

  // After a forward pass that saved. d_outputs: gradient of top(), null data for zero. d_last: of the last states.
  void backward(const PassGradients<T>& into, Rows<const T> d_outputs, State<const T> d_last, int64_t backprop_steps,
                Team& team);

  // Those of the pass; null where all sequences have all steps.
  const int64_t* lengths() const { return input_.lengths; }

  // Room for the gradient of top().
  T* d_top() { return d_above_.reserve(input_.steps * input_.count * wide()); }

  // For inspection after a pass that saved in buffers of our own: a slot of a row, time-major (T, N), and its
  // states after each step.
  Rows<const T> slot(int64_t row, int number) const;
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
  LayerSource<T> source(int64_t row) const { return sources_[static_cast<std::size_t>(row)]; }
  RowGradients<T> gradients(const PassGradients<T>& into, int64_t row) const;
  bool dropping() const { return input_.masks || (input_.drop && shape_.dropout > 0); }
  // Whether the backward pass needs more of a step than the states before and after it.
  bool saves_slots() const { return input_.save && (!input_.saved || shape_.slots() > 1); }
  // Whether the inputs are copied: for the backward pass, or because products need rows at even distances.
  bool copies_inputs() const { return (input_.save && !input_.saved) || input_.starts; }
  int64_t chunk() const;  // steps whose inputs are projected at a time
  void begin(uint64_t version, const PassInput<T>& input, Team& team);
  void lay_out_memory();
  void pass(Team& team);
  Plan plan(int64_t steps, int64_t count) const;
  void load_inputs(Team& team);
  void drop_outputs(int64_t layer, Team& team);
  void run_layer(int64_t row, Team& team);
  void project(int64_t row, Rows<T> slots, int64_t first, int64_t t0, int64_t t1, int64_t n0, int64_t n1, int64_t v0,
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

  // What a pass saves, wherever it lies.
  struct Memory {
    std::vector<T*> slots;           // by row: (T, N, S * Hp)
    std::vector<T*> h, c;            // by layer: (T + R, N, R * Hp)
    std::vector<T*> masks, dropped;  // by layer: (T, N, R * Hp)
  };

  std::vector<LayerSource<T>> sources_;   // by row
  std::vector<LayerWeights<T>> weights_;  // by row
  Memory memory_;
  std::vector<Buffer<T>> slots_, h_, c_, masks_, dropped_;
  bool inputs_loaded_ = false;     // into x_
  Buffer<T> x_;                    // (T, N, D padded)
  Buffer<T> d_slots_;              // (T, N, S * Hp), where the saved slots must stay
  const T* d_slots_at_ = nullptr;  // gradients of the gates of the row just worked on
  Buffer<T> last_h_, last_c_;
  Buffer<T> dh_, dc_;            // (N, Hp)
  Buffer<T> d_above_, d_below_;  // (T, N, R * Hp)
  Buffer<T> scratch_;
};

}  // namespace elman
