// The Python module `elman.native._core`: the engine and its stream, once for float32 and once for float64.
//
// Arguments are checked in Python (elman/engines/native/engine.py) before they come here. What comes here must be C-contiguous
// arrays of the engine's own dtype and of int64 counts; anything else raises TypeError. `train` and `step`, which tiny
// networks call most, look for themselves and return None where Python has to check and convert first.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#define ELMAN_LOADS_NUMPY
#include "bindings.h"
#include "engine.h"
#include "isa.h"
#include "stepper.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace elman {
namespace {

// Inputs and state of a pass, held for as long as it runs.
template <class T>
class Pass {
 public:
  Pass(const Engine<T>& engine, nb::handle inputs, nb::handle lengths, nb::handle h, nb::handle c)
      : dense_(engine.shape().tokens() ? nb::handle(Py_None) : inputs, "inputs"),
        tokens_(engine.shape().tokens() ? inputs : nb::handle(Py_None), "inputs"),
        lengths_(lengths, "lengths"),
        h_(h, "h"),
        c_(c, "c") {
    input.tokens = tokens_.data();
    input.count = dense_.data() ? dense_.size(0) : tokens_.size(0);
    input.steps = dense_.data() ? dense_.size(1) : tokens_.size(1);
    input.dense = {dense_.data(), engine.shape().input_size, input.steps * engine.shape().input_size};
    input.lengths = lengths_.data();
    input.state = {h_.data(), c_.data()};
  }

  PassInput<T> input;

 private:
  Array<const T> dense_;
  Array<const int64_t> tokens_, lengths_;
  Array<const T> h_, c_;
};

template <class T>
struct Targets {
  Array<const T> values;
  Array<const int64_t> classes;

  Targets(const Engine<T>& engine, nb::handle targets)
      : values(engine.class_targets() ? nb::handle(Py_None) : targets, "targets"),
        classes(engine.class_targets() ? targets : nb::handle(Py_None), "targets") {}
};

nb::tuple loss_tuple(const LossValue& value) {
  return nb::make_tuple(value.value, value.weight, value.correct, value.scored);
}

bool all_within(const int64_t* numbers, int64_t count, int64_t low, int64_t high) {
  bool within = true;
  for (int64_t i = 0; i < count; ++i) within &= numbers[i] >= low && numbers[i] <= high;
  return within;
}

bool all_classes(const int64_t* numbers, int64_t count, int64_t classes, int64_t ignored) {
  bool within = true;
  for (int64_t i = 0; i < count; ++i) within &= (numbers[i] >= 0 && numbers[i] < classes) || numbers[i] == ignored;
  return within;
}

// Trains on pieces, or returns None where an array is not exactly as it must be: Python then checks, converts or
// raises.
template <class T>
nb::object train(Engine<T>& engine, nb::handle inputs, nb::handle targets, nb::handle lengths, nb::handle fresh,
                 nb::handle state) {
  const Shape& s = engine.shape();
  const View<T> dense(s.tokens() ? nb::handle(Py_None) : inputs);
  const View<int64_t> tokens(s.tokens() ? inputs : nb::handle(Py_None));
  const View<T> values(engine.class_targets() ? nb::handle(Py_None) : targets);
  const View<int64_t> classes(engine.class_targets() ? targets : nb::handle(Py_None));
  const View<bool> starts(fresh);
  const nb::object none = nb::none();
  if (!starts || starts.rank() != 1 || starts.size(0) == 0) return none;

  TrainInput<T> in;
  in.pieces = starts.size(0);
  if (s.tokens()) {
    if (!tokens || tokens.rank() != 3) return none;
    in.count = tokens.size(1), in.steps = tokens.size(2);
    if (!tokens.has_shape({in.pieces, in.count, in.steps}) || in.count * in.steps == 0 ||
        !all_within(tokens.data(), in.pieces * in.count * in.steps, 0, s.input_size - 1))
      return none;
    in.tokens = tokens.data();
  } else {
    if (!dense || dense.rank() != 4) return none;
    in.count = dense.size(1), in.steps = dense.size(2);
    if (!dense.has_shape({in.pieces, in.count, in.steps, s.input_size}) || in.count * in.steps == 0) return none;
    in.dense = dense.data();
  }
  const int64_t per_row = engine.targets_per_row();
  if (engine.class_targets()) {
    if (s.head_last ? !classes.has_shape({in.pieces, in.count}) : !classes.has_shape({in.pieces, in.count, in.steps}))
      return none;
    if (!all_classes(classes.data(), in.pieces * in.count * (s.head_last ? 1 : in.steps), s.output_size,
                     engine.ignore_index()))
      return none;
    in.classes = classes.data();
  } else {
    if (s.head_last ? !values.has_shape({in.pieces, in.count, per_row})
                    : !values.has_shape({in.pieces, in.count, in.steps, per_row}))
      return none;
    in.values = values.data();
  }
  const View<int64_t> ends(lengths);
  if (!lengths.is_none()) {
    if (!ends.has_shape({in.pieces, in.count}) || !all_within(ends.data(), in.pieces * in.count, 0, in.steps))
      return none;
    in.lengths = ends.data();
  }
  in.fresh = starts.data();

  const bool two = s.has_cell_state();
  if (!state.is_none() && !(PyTuple_Check(state.ptr()) && nb::len(state) == (two ? 2u : 1u))) return none;
  const View<T> h(state.is_none() ? nb::handle(Py_None) : nb::handle(state[0]));
  const View<T> c(state.is_none() || !two ? nb::handle(Py_None) : nb::handle(state[1]));
  if (!state.is_none()) {
    const int64_t hidden = s.hidden_size;
    if (!h.has_shape({s.rows(), in.count, hidden}) || (two && !c.has_shape({s.rows(), in.count, hidden}))) return none;
    in.state = {h.data(), two ? c.data() : nullptr};
  }

  const nb::object losses = empty_array<double>({in.pieces}), weights = empty_array<double>({in.pieces});
  const nb::object norms = empty_array<double>({in.pieces});
  const nb::object correct = empty_array<int64_t>({in.pieces}), scored = empty_array<int64_t>({in.pieces});
  const nb::object last_h = empty_array<T>({s.rows(), in.count, s.hidden_size});
  const nb::object last_c = two ? empty_array<T>({s.rows(), in.count, s.hidden_size}) : nb::object(nb::none());
  const View<double> losses_to(losses), weights_to(weights), norms_to(norms);
  const View<int64_t> correct_to(correct), scored_to(scored);
  const View<T> h_to(last_h), c_to(last_c);
  int64_t done = 0;
  {
    const nb::gil_scoped_release release;
    done = engine.train(in, {losses_to.data(), weights_to.data(), norms_to.data(), correct_to.data(), scored_to.data()},
                        {h_to.data(), two ? c_to.data() : nullptr});
  }
  return nb::make_tuple(done, losses, weights, norms, correct, scored,
                        two ? nb::make_tuple(last_h, last_c) : nb::make_tuple(last_h));
}

template <class T>
nb::object gate_or_state(const Engine<T>& engine, int64_t row, int slot, nb::handle out) {
  // slot: of a gate, -1 for h, -2 for c; out: (N, T, H).
  const View<T> to(out, true);
  if (!to || to.rank() != 3) throw nb::type_error("`out` must be a writable (N, T, H) array of the engine's dtype");
  const Rows<const T> from = slot >= 0 ? engine.stack().gate(row, slot) : engine.stack().states(row, slot == -2);
  for (int64_t n = 0; n < to.size(0); ++n)
    for (int64_t t = 0; t < to.size(1); ++t)
      std::copy_n(from.at(t, n), to.size(2), to.data() + (n * to.size(1) + t) * to.size(2));
  return nb::none();
}

// Steps; x and what comes back are as in the contract. See `Stream` in engines/native/engine.py.
template <class T>
class PythonStepper {
 public:
  PythonStepper(std::shared_ptr<Engine<T>> engine, int64_t sessions)
      : stepper_(std::move(engine), sessions), shape_(stepper_.engine().shape()) {
    // Below some microseconds of work, giving up the interpreter lock costs more than it gives to others.
    const int64_t work =
        sessions * shape_.rows() * shape_.gates() * shape_.hidden_size * (shape_.hidden_size + shape_.layer_input(0));
    release_ = work > 200000;
  }

  nb::object step(nb::handle x, nb::handle out) {
    const int64_t sessions = stepper_.sessions();
    T number;
    int64_t token;
    if (sessions == 1 && shape_.tokens() && PyLong_CheckExact(x.ptr())) {
      token = PyLong_AsLongLong(x.ptr());
      if (token == -1 && PyErr_Occurred()) PyErr_Clear();
      return run(nullptr, &token, true, out);
    }
    if (sessions == 1 && !shape_.tokens() && shape_.input_size == 1 && PyFloat_CheckExact(x.ptr())) {
      number = static_cast<T>(PyFloat_AsDouble(x.ptr()));
      return run(&number, nullptr, true, out);
    }
    if (shape_.tokens()) {
      const View<int64_t> view(x);
      if (!view) return nb::none();
      const bool single = sessions == 1 && view.rank() == 0;
      if (!single && !view.has_shape({sessions})) return nb::none();
      return run(nullptr, view.data(), single, out);
    }
    const View<T> view(x);
    if (!view) return nb::none();
    const bool single =
        sessions == 1 && (view.has_shape({shape_.input_size}) || (view.rank() == 0 && shape_.input_size == 1));
    if (!single && !view.has_shape({sessions, shape_.input_size})) return nb::none();
    return run(view.data(), nullptr, single, out);
  }

  // xs and out are whole arrays (S, T, D) or (S, T), and (S, T, O).
  void step_many(nb::handle xs, nb::handle out) {
    const View<T> dense(shape_.tokens() ? nb::handle(Py_None) : xs);
    const View<int64_t> tokens(shape_.tokens() ? xs : nb::handle(Py_None));
    const View<T> to(out, true);
    if (!to || (shape_.tokens() ? !tokens : !dense))
      throw nb::type_error("`xs` and `out` must be arrays of the engine's dtype");
    const nb::gil_scoped_release release;
    stepper_.step_many(dense ? dense.data() : nullptr, tokens ? tokens.data() : nullptr, to.size(1), to.data());
  }

  void get_state(nb::handle h, nb::handle c) {
    const Array<T> to_h(h, "h", true), to_c(c, "c", true);
    stepper_.get_state({to_h.data(), to_c.data()});
  }

  void set_state(nb::handle h, nb::handle c) {
    const Array<const T> from_h(h, "h"), from_c(c, "c");
    stepper_.set_state({from_h.data(), from_c.data()});
  }

 private:
  nb::object run(const T* x, const int64_t* tokens, bool single, nb::handle out) {
    if (tokens && !all_within(tokens, stepper_.sessions(), 0, shape_.input_size - 1)) return nb::none();
    nb::object made = nb::borrow(out);
    if (out.is_none())
      made = single ? empty_array<T>({shape_.output_size}) : empty_array<T>({stepper_.sessions(), shape_.output_size});
    const View<T> to(made, true);
    const bool fits =
        single ? to.has_shape({shape_.output_size}) : to.has_shape({stepper_.sessions(), shape_.output_size});
    if (!fits) return nb::none();
    if (release_) {
      const nb::gil_scoped_release release;
      stepper_.step(x, tokens, to.data());
    } else {
      stepper_.step(x, tokens, to.data());
    }
    return made;
  }

  Stepper<T> stepper_;
  Shape shape_;
  bool release_;
};

template <class T>
void bind(nb::module_& m, const char* engine_name, const char* stepper_name, const char* activate_name) {
  using E = Engine<T>;
  nb::class_<E>(m, engine_name)
      .def(
          "__init__",
          [](E* self, int cell, int64_t input_size, int64_t hidden_size, int64_t output_size, int64_t num_layers,
             bool bidirectional, bool bias, bool head_bias, int inputs, int64_t embedding_size, bool head_last,
             double dropout,
             std::optional<std::tuple<int, bool, double, std::vector<double>, std::vector<double>, int64_t>> loss,
             std::optional<std::tuple<int, double, double, double, double, double, double, bool, double, double>>
                 optimiser,
             int64_t backprop_steps, uint64_t seed) {
            std::optional<Loss> l;
            if (loss) {
              const auto& [kind, mean, delta, quantiles, weights, ignored] = *loss;
              l = Loss{static_cast<LossKind>(kind), mean, delta, quantiles, weights, ignored};
            }
            std::optional<OptimiserSpec> o;
            if (optimiser) {
              const auto& [kind, momentum, decay, beta1, beta2, eps, alpha, nesterov, clip_value, clip_norm] =
                  *optimiser;
              o = OptimiserSpec{static_cast<Update>(kind),
                                momentum,
                                decay,
                                beta1,
                                beta2,
                                eps,
                                alpha,
                                nesterov,
                                clip_value,
                                clip_norm};
            }
            const Shape shape{.cell = static_cast<Cell>(cell),
                              .input_size = input_size,
                              .hidden_size = hidden_size,
                              .output_size = output_size,
                              .num_layers = num_layers,
                              .directions = bidirectional ? 2 : 1,
                              .bias = bias,
                              .head_bias = head_bias,
                              .inputs = static_cast<Inputs>(inputs),
                              .embedding_size = embedding_size,
                              .head_last = head_last,
                              .dropout = dropout};
            new (self) E(shape, std::move(l), o, backprop_steps, seed);
          },
          nb::kw_only(), "cell"_a, "input_size"_a, "hidden_size"_a, "output_size"_a, "num_layers"_a, "bidirectional"_a,
          "bias"_a, "head_bias"_a, "inputs"_a, "embedding_size"_a, "head_last"_a, "dropout"_a, "loss"_a.none(),
          "optimiser"_a.none(), "backprop_steps"_a, "seed"_a)
      .def_rw("learning_rate", &E::learning_rate)
      .def_rw("updates", &E::updates)
      .def_prop_ro("size", &E::size, "How many parameters there are.")
      .def_prop_ro("bytes", &E::bytes, "Memory held for passes, in bytes.")
      .def_prop_ro("isa", [](const E& e) { return std::string(e.kernels().name); })
      .def("load_parameters", [](E& e, nb::handle block) { e.load_parameters(Array<const T>(block, "block").data()); })
      .def("copy_parameters",
           [](const E& e, nb::handle block) { e.copy_parameters(Array<T>(block, "block", true).data()); })
      .def("load_memory",
           [](E& e, int which, nb::handle block) {
             std::copy_n(Array<const T>(block, "block").data(), e.size(), e.memory(which));
           })
      .def("copy_memory",
           [](E& e, int which, nb::handle block) {
             std::copy_n(e.memory(which), e.size(), Array<T>(block, "block", true).data());
           })
      .def(
          "forward",
          [](E& e, nb::handle inputs, nb::handle lengths, nb::handle h, nb::handle c, nb::handle outputs,
             nb::handle last_h, nb::handle last_c, bool keep) {
            const Pass<T> pass(e, inputs, lengths, h, c);
            const Array<T> to(outputs, "outputs", true), to_h(last_h, "last_h", true), to_c(last_c, "last_c", true);
            const nb::gil_scoped_release release;
            if (keep)
              e.trace(pass.input, to.data(), {to_h.data(), to_c.data()});
            else
              e.forward(pass.input, to.data(), {to_h.data(), to_c.data()});
          },
          "inputs"_a, "lengths"_a.none(), "h"_a.none(), "c"_a.none(), "outputs"_a, "last_h"_a, "last_c"_a.none(),
          "keep"_a = false)
      .def("copy_trace", &gate_or_state<T>, "row"_a, "slot"_a, "out"_a)
      .def(
          "evaluate",
          [](E& e, nb::handle inputs, nb::handle targets, nb::handle lengths, nb::handle h, nb::handle c,
             nb::handle last_h, nb::handle last_c) {
            const Pass<T> pass(e, inputs, lengths, h, c);
            const Targets<T> t(e, targets);
            const Array<T> to_h(last_h, "last_h", true), to_c(last_c, "last_c", true);
            LossValue value;
            {
              const nb::gil_scoped_release release;
              value = e.evaluate(pass.input, t.values.data(), t.classes.data(), {to_h.data(), to_c.data()});
            }
            return loss_tuple(value);
          },
          "inputs"_a, "targets"_a, "lengths"_a.none(), "h"_a.none(), "c"_a.none(), "last_h"_a, "last_c"_a.none())
      .def(
          "gradients",
          [](E& e, nb::handle inputs, nb::handle targets, nb::handle lengths, nb::handle h, nb::handle c, bool drop,
             nb::handle outputs, nb::handle d_parameters, nb::handle d_inputs, nb::handle d_h, nb::handle d_c,
             nb::handle last_h, nb::handle last_c) {
            Pass<T> pass(e, inputs, lengths, h, c);
            pass.input.drop = drop;
            const Targets<T> t(e, targets);
            const Array<T> out(outputs, "outputs", true), to_p(d_parameters, "d_parameters", true);
            const Array<T> to_x(d_inputs, "d_inputs", true), to_dh(d_h, "d_h", true), to_dc(d_c, "d_c", true);
            const Array<T> to_h(last_h, "last_h", true), to_c(last_c, "last_c", true);
            LossValue value;
            {
              const nb::gil_scoped_release release;
              value = e.gradients(pass.input, t.values.data(), t.classes.data(), out.data(),
                                  {to_p.data(),
                                   {to_x.data(), e.shape().input_size, pass.input.steps * e.shape().input_size},
                                   {to_dh.data(), to_dc.data()}},
                                  {to_h.data(), to_c.data()});
            }
            return loss_tuple(value);
          },
          "inputs"_a, "targets"_a, "lengths"_a.none(), "h"_a.none(), "c"_a.none(), "drop"_a, "outputs"_a,
          "d_parameters"_a, "d_inputs"_a.none(), "d_h"_a, "d_c"_a.none(), "last_h"_a, "last_c"_a.none())
      .def("train", &train<T>, "inputs"_a, "targets"_a, "lengths"_a.none(), "fresh"_a, "state"_a.none());

  using S = PythonStepper<T>;
  nb::class_<S>(m, stepper_name)
      .def(nb::init<std::shared_ptr<E>, int64_t>(), "engine"_a, "sessions"_a)
      .def("step", &S::step, nb::arg(), nb::arg().none())
      .def("step_many", &S::step_many, "xs"_a, "out"_a)
      .def("get_state", &S::get_state, "h"_a, "c"_a.none())
      .def("set_state", &S::set_state, "h"_a.none(), "c"_a.none());

  m.def(
      activate_name,
      [](int cell, nb::handle x, nb::handle out) {
        const Array<const T> from(x, "x");
        const Array<T> to(out, "out", true);
        kernels_for<T>(1 << 20).activate(static_cast<Cell>(cell), from.data(), to.data(), from.size(0));
      },
      "cell"_a, "x"_a, "out"_a, "tanh, relu or sigmoid (0, 1, 2) of a vector, for tests.");
}

}  // namespace
}  // namespace elman

NB_MODULE(_core, m) {
  using namespace elman;
  if (PyArray_ImportNumPyAPI() < 0) throw nb::python_error();
  // What other libraries hold until the process ends would be reported to whoever uses them.
  nb::set_leak_warnings(false);
  m.doc() = "Recurrent networks in C++: the kernels behind elman.engines.native.";
  bind<float>(m, "Engine32", "Stepper32", "activate32");
  bind<double>(m, "Engine64", "Stepper64", "activate64");
  bind_layers<float>(m, "Layers32", "LayerCalls32");
  bind_layers<double>(m, "Layers64", "LayerCalls64");
  m.def("threads", &threads, "How many threads a call may use.");
  m.def("set_threads", &set_threads, "count"_a, "Let calls use up to `count` threads.");
  m.def(
      "set_openmp",
      [](uintptr_t start, uintptr_t end, uintptr_t number) {
        set_openmp({reinterpret_cast<decltype(OpenMP::start)>(start), reinterpret_cast<decltype(OpenMP::end)>(end),
                    reinterpret_cast<decltype(OpenMP::number)>(number)});
      },
      "start"_a, "end"_a, "number"_a,
      "Let `LayerCalls` work on the threads of another library's OpenMP: the addresses of its GOMP_parallel_start,\n"
      "GOMP_parallel_end and omp_get_thread_num, or three times 0 for Elman's own threads.");
  m.def("isa", &current_isa, "The instruction set in use.");
  m.def("available_isas", &available_isas, "The instruction sets this machine can use, the best first.");
  m.def("set_isa", &set_isa, "name"_a, "Use this instruction set in engines made from now on.");
  m.def("poison", [](bool on) { poison_buffers.store(on); }, "on"_a, "Fill buffers with NaN before use, for tests.");
}
