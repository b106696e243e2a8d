// Engines in the Python module.
//
// Arguments are checked in Python (elman/engines/native/engine.py) before they come here. What comes here must be
// C-contiguous arrays of the engine's own dtype and of int64 counts; anything else raises TypeError. `train`, which
// tiny networks call most, looks for itself and returns None where Python has to check and convert first.
#include "engine.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <optional>
#include <string>

#include "bindings/arguments.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace elman {
namespace {

// What comes out of a call, under the names of elman/engines/results.py.
struct EvaluationResult {
  double loss, weight;
  int64_t correct, scored;
  nb::object state;
};

struct GradientsResult {
  double loss, weight;
  int64_t correct, scored;
  nb::object outputs, parameters, inputs, initial_state, state;
};

struct TrainResult {
  int64_t pieces;  // that were worked on: all, or up to the first whose loss or norm is not finite
  nb::object losses, weights, gradient_norms, correct, scored, state;
};

// Inputs and state of a pass, held for as long as it runs.
template <class T>
class Pass {
 public:
  Pass(const Engine<T>& engine, nb::handle inputs, nb::handle state, nb::handle lengths)
      : dense_(engine.shape().tokens() ? nb::handle(Py_None) : inputs, "inputs"),
        tokens_(engine.shape().tokens() ? inputs : nb::handle(Py_None), "inputs"),
        lengths_(lengths, "lengths"),
        state_(state, engine.shape(), dense_.data() ? dense_.size(0) : tokens_.size(0)) {
    input.tokens = tokens_.data();
    input.count = dense_.data() ? dense_.size(0) : tokens_.size(0);
    input.steps = dense_.data() ? dense_.size(1) : tokens_.size(1);
    input.dense = {dense_.data(), engine.shape().input_size, input.steps * engine.shape().input_size};
    input.lengths = lengths_.data();
    input.state = state_.checked();
  }

  PassInput<T> input;

 private:
  Array<const T> dense_;
  Array<const int64_t> tokens_, lengths_;
  StateArgument<const T> state_;
};

template <class T>
struct Targets {
  Array<const T> values;
  Array<const int64_t> classes;

  Targets(const Engine<T>& engine, nb::handle targets)
      : values(engine.class_targets() ? nb::handle(Py_None) : targets, "targets"),
        classes(engine.class_targets() ? targets : nb::handle(Py_None), "targets") {}
};

template <class T>
nb::object new_outputs(const Shape& s, const PassInput<T>& input) {
  return s.head_last() ? empty_array<T>({input.count, s.output_size})
                       : empty_array<T>({input.count, input.steps, s.output_size});
}

template <class T>
nb::object forward(Engine<T>& engine, nb::handle inputs, nb::handle state, nb::handle lengths) {
  const Pass<T> pass(engine, inputs, state, lengths);
  const nb::object outputs = new_outputs(engine.shape(), pass.input);
  const NewState<T> last(engine.shape(), pass.input.count);
  T* const to = View<T>(outputs).data();
  const State<T> to_state = last.pointers();
  {
    const nb::gil_scoped_release release;
    engine.forward(pass.input, to, to_state);
  }
  return nb::make_tuple(outputs, last.tuple());
}

template <class T>
EvaluationResult evaluate(Engine<T>& engine, nb::handle inputs, nb::handle targets, nb::handle state,
                          nb::handle lengths) {
  const Pass<T> pass(engine, inputs, state, lengths);
  const Targets<T> t(engine, targets);
  const NewState<T> last(engine.shape(), pass.input.count);
  const State<T> to_state = last.pointers();
  LossValue value;
  {
    const nb::gil_scoped_release release;
    value = engine.evaluate(pass.input, t.values.data(), t.classes.data(), to_state);
  }
  return {value.value, value.weight, value.correct, value.scored, last.tuple()};
}

template <class T>
GradientsResult gradients(Engine<T>& engine, nb::handle inputs, nb::handle targets, nb::handle state,
                          nb::handle lengths, bool drop) {
  const Shape& s = engine.shape();
  Pass<T> pass(engine, inputs, state, lengths);
  pass.input.drop = drop;
  const Targets<T> t(engine, targets);
  const int64_t count = pass.input.count, steps = pass.input.steps;
  const nb::object outputs = new_outputs(s, pass.input), parameters = empty_array<T>({engine.size()});
  const nb::object d_inputs = s.tokens() ? nb::object(nb::none()) : empty_array<T>({count, steps, s.input_size});
  const NewState<T> d_first(s, count), last(s, count);
  T* const to = View<T>(outputs).data();
  const PassGradients<T> into{.parameters = View<T>(parameters).data(),
                              .inputs = {View<T>(d_inputs).data(), s.input_size, steps * s.input_size},
                              .state = d_first.pointers()};
  const State<T> to_state = last.pointers();
  LossValue value;
  {
    const nb::gil_scoped_release release;
    value = engine.gradients(pass.input, t.values.data(), t.classes.data(), to, into, to_state);
  }
  return {value.value, value.weight, value.correct,   value.scored, outputs,
          parameters,  d_inputs,     d_first.tuple(), last.tuple()};
}

// A row of the stack, step by step, as a new (N, T, H) array.
template <class T>
nb::object batch_first(Rows<const T> from, int64_t count, int64_t steps, int64_t hidden) {
  const nb::object array = empty_array<T>({count, steps, hidden});
  T* to = View<T>(array).data();
  for (int64_t n = 0; n < count; ++n)
    for (int64_t t = 0; t < steps; ++t, to += hidden) std::copy_n(from.at(t, n), hidden, to);
  return array;
}

// The outputs; and for each row of a state, the states and the gates of every step by name.
template <class T>
nb::object trace(Engine<T>& engine, nb::handle inputs, nb::handle state) {
  const Shape& s = engine.shape();
  const Pass<T> pass(engine, inputs, state, nb::none());
  const int64_t count = pass.input.count, steps = pass.input.steps;
  const nb::object outputs = new_outputs(s, pass.input);
  const NewState<T> last(s, count);
  T* const to = View<T>(outputs).data();
  const State<T> to_state = last.pointers();
  {
    const nb::gil_scoped_release release;
    engine.trace(pass.input, to, to_state);
  }
  nb::list rows;
  for (int64_t row = 0; row < s.rows(); ++row) {
    nb::dict states, gates;
    states["h"] = batch_first(engine.stack().states(row, false), count, steps, s.hidden_size);
    if (s.has_cell_state()) states["c"] = batch_first(engine.stack().states(row, true), count, steps, s.hidden_size);
    for (const NamedSlot& gate : s.facts().traced)
      if (gate.name) gates[gate.name] = batch_first(engine.stack().slot(row, gate.slot), count, steps, s.hidden_size);
    rows.append(nb::make_tuple(states, gates));
  }
  return nb::make_tuple(outputs, rows);
}

bool all_classes(const int64_t* numbers, int64_t count, int64_t classes, int64_t ignored) {
  bool within = true;
  for (int64_t i = 0; i < count; ++i) within &= (numbers[i] >= 0 && numbers[i] < classes) || numbers[i] == ignored;
  return within;
}

// Trains on pieces; nothing where an array is not exactly as it must be: Python then checks, converts or raises.
template <class T>
std::optional<TrainResult> train(Engine<T>& engine, nb::handle inputs, nb::handle targets, nb::handle lengths,
                                 nb::handle fresh, nb::handle state) {
  const Shape& s = engine.shape();
  const View<T> dense(s.tokens() ? nb::handle(Py_None) : inputs);
  const View<int64_t> tokens(s.tokens() ? inputs : nb::handle(Py_None));
  const View<T> values(engine.class_targets() ? nb::handle(Py_None) : targets);
  const View<int64_t> classes(engine.class_targets() ? targets : nb::handle(Py_None));
  const View<bool> starts(fresh);
  if (!starts || starts.rank() != 1 || starts.size(0) == 0) return {};

  TrainInput<T> in;
  in.pieces = starts.size(0);
  if (s.tokens()) {
    if (!tokens || tokens.rank() != 3) return {};
    in.count = tokens.size(1), in.steps = tokens.size(2);
    if (!tokens.has_shape({in.pieces, in.count, in.steps}) || in.count * in.steps == 0 ||
        !all_within(tokens.data(), in.pieces * in.count * in.steps, 0, s.input_size - 1))
      return {};
    in.tokens = tokens.data();
  } else {
    if (!dense || dense.rank() != 4) return {};
    in.count = dense.size(1), in.steps = dense.size(2);
    if (!dense.has_shape({in.pieces, in.count, in.steps, s.input_size}) || in.count * in.steps == 0) return {};
    in.dense = dense.data();
  }
  const int64_t per_row = engine.targets_per_row();
  if (engine.class_targets()) {
    if (s.head_last() ? !classes.has_shape({in.pieces, in.count}) : !classes.has_shape({in.pieces, in.count, in.steps}))
      return {};
    if (!all_classes(classes.data(), in.pieces * in.count * (s.head_last() ? 1 : in.steps), s.output_size,
                     engine.ignore_index()))
      return {};
    in.classes = classes.data();
  } else {
    if (s.head_last() ? !values.has_shape({in.pieces, in.count, per_row})
                      : !values.has_shape({in.pieces, in.count, in.steps, per_row}))
      return {};
    in.values = values.data();
  }
  const View<int64_t> ends(lengths);
  if (!lengths.is_none()) {
    if (!ends.has_shape({in.pieces, in.count}) || !all_within(ends.data(), in.pieces * in.count, 0, in.steps))
      return {};
    in.lengths = ends.data();
  }
  in.fresh = starts.data();
  const StateArgument<T> first(state, s, in.count);
  if (!first.fits()) return {};
  in.state = first.pointers();

  const NewState<T> last(s, in.count);
  TrainResult result{.pieces = 0,
                     .losses = empty_array<double>({in.pieces}),
                     .weights = empty_array<double>({in.pieces}),
                     .gradient_norms = empty_array<double>({in.pieces}),
                     .correct = empty_array<int64_t>({in.pieces}),
                     .scored = empty_array<int64_t>({in.pieces}),
                     .state = last.tuple()};
  const TrainOutput out{.losses = View<double>(result.losses).data(),
                        .weights = View<double>(result.weights).data(),
                        .norms = View<double>(result.gradient_norms).data(),
                        .correct = View<int64_t>(result.correct).data(),
                        .scored = View<int64_t>(result.scored).data()};
  const State<T> to_state = last.pointers();
  {
    const nb::gil_scoped_release release;
    result.pieces = engine.train(in, out, to_state);
  }
  return result;
}

template <class T>
T* memory(Engine<T>& engine, OptimiserMemory which) {
  T* const numbers = engine.memory(which);
  if (!numbers) throw nb::value_error("`memory` must be one that this engine's optimiser has");
  return numbers;
}

template <class T>
void bind(nb::module_& m, const char* name) {
  using E = Engine<T>;
  nb::class_<E>(m, name)
      .def(
          "__init__",
          [](E* self, const Shape& shape, const LossOptions* loss, const OptimiserOptions* optimiser,
             int64_t backprop_steps, uint64_t seed) {
            new (self) E(shape, loss ? std::optional(*loss) : std::nullopt,
                         optimiser ? std::optional(*optimiser) : std::nullopt, backprop_steps, seed);
          },
          "shape"_a, nb::kw_only(), "loss"_a.none(), "optimiser"_a.none(), "backprop_steps"_a, "seed"_a)
      .def_rw("learning_rate", &E::learning_rate)
      .def_rw("updates", &E::updates)
      .def_prop_ro("size", &E::size, "How many parameters there are.")
      .def_prop_ro("bytes", &E::bytes, "Memory held for passes, in bytes.")
      .def_prop_ro("isa", [](const E& e) { return std::string(e.kernels().name); })
      .def("load_parameters", [](E& e, nb::handle block) { e.load_parameters(Array<const T>(block, "block").data()); })
      .def("copy_parameters",
           [](const E& e, nb::handle block) { e.copy_parameters(Array<T>(block, "block", true).data()); })
      .def(
          "load_memory",
          [](E& e, OptimiserMemory which, nb::handle block) {
            std::copy_n(Array<const T>(block, "block").data(), e.size(), memory(e, which));
          },
          "memory"_a.noconvert(), "block"_a)
      .def(
          "copy_memory",
          [](E& e, OptimiserMemory which, nb::handle block) {
            std::copy_n(memory(e, which), e.size(), Array<T>(block, "block", true).data());
          },
          "memory"_a.noconvert(), "block"_a)
      .def("forward", &forward<T>, "inputs"_a, "state"_a.none(), "lengths"_a.none(), "Outputs and last state.")
      .def("evaluate", &evaluate<T>, "inputs"_a, "targets"_a, "state"_a.none(), "lengths"_a.none())
      .def("gradients", &gradients<T>, "inputs"_a, "targets"_a, "state"_a.none(), "lengths"_a.none(), "drop"_a)
      .def("train", &train<T>, "inputs"_a, "targets"_a, "lengths"_a.none(), "fresh"_a, "state"_a.none())
      .def("trace", &trace<T>, "inputs"_a, "state"_a.none());
}

}  // namespace

void bind_engines(nb::module_& m) {
  nb::class_<EvaluationResult>(m, "Evaluation")
      .def_ro("loss", &EvaluationResult::loss)
      .def_ro("weight", &EvaluationResult::weight)
      .def_ro("correct", &EvaluationResult::correct)
      .def_ro("scored", &EvaluationResult::scored)
      .def_ro("state", &EvaluationResult::state);
  nb::class_<GradientsResult>(m, "Gradients")
      .def_ro("loss", &GradientsResult::loss)
      .def_ro("weight", &GradientsResult::weight)
      .def_ro("correct", &GradientsResult::correct)
      .def_ro("scored", &GradientsResult::scored)
      .def_ro("outputs", &GradientsResult::outputs)
      .def_ro("parameters", &GradientsResult::parameters)
      .def_ro("inputs", &GradientsResult::inputs)
      .def_ro("initial_state", &GradientsResult::initial_state)
      .def_ro("state", &GradientsResult::state);
  nb::class_<TrainResult>(m, "Training")
      .def_ro("pieces", &TrainResult::pieces)
      .def_ro("losses", &TrainResult::losses)
      .def_ro("weights", &TrainResult::weights)
      .def_ro("gradient_norms", &TrainResult::gradient_norms)
      .def_ro("correct", &TrainResult::correct)
      .def_ro("scored", &TrainResult::scored)
      .def_ro("state", &TrainResult::state);
  bind<float>(m, "Engine32");
  bind<double>(m, "Engine64");
}

}  // namespace elman
