// The Python module `elman.native._core`: what engines are made of by name, and the settings of the process.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>
#include <vector>

#define ELMAN_LOADS_NUMPY
#include "bindings/arguments.h"
#include "isa.h"
#include "losses.h"
#include "optimisers.h"
#include "pool.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace elman {

void bind_options(nb::module_& m) {
  nb::enum_<Cell> cells(m, "Cell", "Cells with kernels of their own; an elman cell's name ends in its nonlinearity.");
#define ELMAN_CELL_VALUE(name, Kernel) cells.value(#name, Cell::name);
  ELMAN_CELLS(ELMAN_CELL_VALUE)
#undef ELMAN_CELL_VALUE
  nb::enum_<Inputs>(m, "Inputs")
      .value("dense", Inputs::dense)
      .value("one_hot", Inputs::one_hot)
      .value("embedding", Inputs::embedding);
  nb::enum_<HeadSteps>(m, "HeadSteps").value("every", HeadSteps::every).value("last", HeadSteps::last);
  nb::enum_<LossKind>(m, "LossKind")
      .value("mse", LossKind::mse)
      .value("half_mse", LossKind::half_mse)
      .value("mae", LossKind::mae)
      .value("huber", LossKind::huber)
      .value("cross_entropy", LossKind::cross_entropy)
      .value("quantile", LossKind::quantile)
      .value("gaussian", LossKind::gaussian);
  nb::enum_<OptimiserKind>(m, "OptimiserKind")
      .value("sgd", OptimiserKind::sgd)
      .value("adam", OptimiserKind::adam)
      .value("adamw", OptimiserKind::adamw)
      .value("rmsprop", OptimiserKind::rmsprop);
  nb::enum_<OptimiserMemory>(m, "OptimiserMemory")
      .value("exp_avg", OptimiserMemory::exp_avg)
      .value("exp_avg_sq", OptimiserMemory::exp_avg_sq)
      .value("square_avg", OptimiserMemory::square_avg)
      .value("momentum_buffer", OptimiserMemory::momentum_buffer);

  nb::class_<Shape>(m, "Shape", "What a network is, as elman.network.Network has it.")
      .def(
          "__init__",
          [](Shape* self, Cell cell, int64_t input_size, int64_t hidden_size, int64_t output_size, int64_t num_layers,
             bool bidirectional, bool bias, bool head_bias, Inputs inputs, int64_t embedding_size, HeadSteps head,
             double dropout) {
            new (self) Shape{.cell = cell,
                             .input_size = input_size,
                             .hidden_size = hidden_size,
                             .output_size = output_size,
                             .num_layers = num_layers,
                             .directions = bidirectional ? 2 : 1,
                             .bias = bias,
                             .head_bias = head_bias,
                             .inputs = inputs,
                             .embedding_size = embedding_size,
                             .head = head,
                             .dropout = dropout};
          },
          nb::kw_only(), "cell"_a.noconvert(), "input_size"_a, "hidden_size"_a, "output_size"_a = 0, "num_layers"_a = 1,
          "bidirectional"_a = false, "bias"_a = true, "head_bias"_a = true, "inputs"_a.noconvert() = Inputs::dense,
          "embedding_size"_a = 0, "head"_a.noconvert() = HeadSteps::every, "dropout"_a = 0.0);

  nb::class_<LossOptions>(m, "LossOptions", "What elman.engines.Loss is.")
      .def(
          "__init__",
          [](LossOptions* self, LossKind kind, bool mean, double delta, std::vector<double> quantiles,
             std::vector<double> class_weights, int64_t ignore_index) {
            new (self) LossOptions{.kind = kind,
                                   .mean = mean,
                                   .delta = delta,
                                   .quantiles = std::move(quantiles),
                                   .class_weights = std::move(class_weights),
                                   .ignore_index = ignore_index};
          },
          nb::kw_only(), "kind"_a.noconvert(), "mean"_a, "delta"_a, "quantiles"_a, "class_weights"_a, "ignore_index"_a);

  nb::class_<OptimiserOptions>(m, "OptimiserOptions", "What elman.engines.Optimiser is; clips are 0 for none.")
      .def(
          "__init__",
          [](OptimiserOptions* self, OptimiserKind kind, double momentum, double weight_decay, double beta1,
             double beta2, double eps, double alpha, bool nesterov, double clip_value, double clip_norm) {
            new (self) OptimiserOptions{.kind = kind,
                                        .momentum = momentum,
                                        .weight_decay = weight_decay,
                                        .beta1 = beta1,
                                        .beta2 = beta2,
                                        .eps = eps,
                                        .alpha = alpha,
                                        .nesterov = nesterov,
                                        .clip_value = clip_value,
                                        .clip_norm = clip_norm};
          },
          nb::kw_only(), "kind"_a.noconvert(), "momentum"_a, "weight_decay"_a, "beta1"_a, "beta2"_a, "eps"_a, "alpha"_a,
          "nesterov"_a, "clip_value"_a, "clip_norm"_a);
}

namespace {

// One of Elman's nonlinearities on a vector, for tests.
template <class T>
void activate(Cell cell, nb::handle x, nb::handle out) {
  const Array<const T> from(x, "x");
  const Array<T> to(out, "out", true);
  if (!kernels_for<T>(1 << 20).activate(cell, from.data(), to.data(), from.size(0)))
    throw nb::value_error("`cell` must be an elman cell");
}

void bind_settings(nb::module_& m) {
  m.def("threads", &threads, "How many threads a call may use.");
  m.def("set_threads", &set_threads, "count"_a, "Let calls use up to `count` threads.");
  m.def(
      "set_openmp",
      [](uintptr_t start, uintptr_t end, uintptr_t number) {
        set_openmp({.start = reinterpret_cast<decltype(OpenMP::start)>(start),
                    .end = reinterpret_cast<decltype(OpenMP::end)>(end),
                    .number = reinterpret_cast<decltype(OpenMP::number)>(number)});
      },
      "start"_a, "end"_a, "number"_a,
      "Let `LayerCalls` work on the threads of another library's OpenMP: the addresses of its GOMP_parallel_start,\n"
      "GOMP_parallel_end and omp_get_thread_num, or three times 0 for Elman's own threads.");
  m.def("isa", &current_isa, "The instruction set in use.");
  m.def("available_isas", &available_isas, "The instruction sets this machine can use, the best first.");
  m.def("set_isa", &set_isa, "name"_a, "Use this instruction set in engines made from now on.");
  m.def("poison", [](bool on) { poison_buffers.store(on); }, "on"_a, "Fill buffers with NaN before use, for tests.");
  m.def("activate32", &activate<float>, "cell"_a.noconvert(), "x"_a, "out"_a,
        "An elman cell's nonlinearity alone, for tests.");
  m.def("activate64", &activate<double>, "cell"_a.noconvert(), "x"_a, "out"_a, "The same in float64.");
}

}  // namespace
}  // namespace elman

NB_MODULE(_core, m) {
  if (PyArray_ImportNumPyAPI() < 0) throw nb::python_error();
  // What other libraries hold until the process ends would be reported to whoever uses them.
  nb::set_leak_warnings(false);
  m.doc() = "Recurrent networks in C++: the kernels behind elman.engines.native and elman.nn.";
  elman::bind_options(m);
  elman::bind_engines(m);
  elman::bind_streams(m);
  elman::bind_layers(m);
  elman::bind_settings(m);
}
