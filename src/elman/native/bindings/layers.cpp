// Layers without a head in the Python module: on arrays, and on memory given by address for elman.nn.
#include "layers.h"

#include <nanobind/nanobind.h>

#include <optional>
#include <vector>

#include "bindings/arguments.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace elman {
namespace {

// Layers on time-major (T, N, D) arrays, as torch.nn has them.
template <class T>
class PythonLayers {
 public:
  explicit PythonLayers(const Shape& shape) : layers_(shape) {}

  int64_t size() const { return layers_.size(); }
  void load_parameters(nb::handle block) { layers_.load_parameters(Array<const T>(block, "block").data()); }

  void forward(nb::handle x, nb::handle h, nb::handle c, nb::handle outputs, nb::handle last_h, nb::handle last_c,
               bool save) {
    const Array<const T> from(x, "x"), from_h(h, "h"), from_c(c, "c");
    const Array<T> to(outputs, "outputs", true), to_h(last_h, "last_h", true), to_c(last_c, "last_c", true);
    PassInput<T> input;
    input.steps = from.size(0);
    input.count = from.size(1);
    input.dense = rows(from.data(), input.count, layers_.shape().input_size);
    input.state = {from_h.data(), from_c.data()};
    input.save = save;
    const nb::gil_scoped_release release;
    layers_.forward(input, rows(to.data(), input.count, width()), {to_h.data(), to_c.data()});
  }

  void backward(nb::handle d_outputs, nb::handle d_last_h, nb::handle d_last_c, nb::handle d_block, nb::handle d_x,
                nb::handle d_h, nb::handle d_c) {
    const Array<const T> from(d_outputs, "d_outputs"), from_h(d_last_h, "d_last_h"), from_c(d_last_c, "d_last_c");
    const Array<T> to(d_block, "d_block", true), to_x(d_x, "d_x", true), to_h(d_h, "d_h", true), to_c(d_c, "d_c", true);
    const int64_t count = from.size(1);
    const nb::gil_scoped_release release;
    layers_.backward(rows(from.data(), count, width()), {from_h.data(), from_c.data()},
                     {to.data(), rows(to_x.data(), count, layers_.shape().input_size), {to_h.data(), to_c.data()}});
  }

 private:
  int64_t width() const { return layers_.shape().directions * layers_.shape().hidden_size; }
  template <class U>
  static Rows<U> rows(U* data, int64_t count, int64_t size) {
    return {data, count * size, size};
  }

  Layers<T> layers_;
};

// The address that a Python integer holds; null for 0.
template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

// Layers on the caller's memory, given by address and by distances in numbers: what elman.nn has checked before.
template <class T>
class PythonLayerCalls {
 public:
  explicit PythonLayerCalls(const Shape& shape) : shape_(shape) {}

  int64_t saved_size(int64_t steps, int64_t count, bool masks) const {
    return Borrowed<T>(shape_)->saved_size(steps, count, masks);
  }

  // weights: W_ih, W_hh and with biases b_ih, b_hh of each row. x: rows of D numbers, `x_step` apart from step to step
  // and `x_sequence` from sequence to sequence; or `packed_rows` of them, with how many each step has in `sizes`.
  // Only the addresses of h, c, masks, last_h, last_c and saved may be 0. Without saved there is no backward pass.
  void forward(const nb::list& weights, uintptr_t x, int64_t x_step, int64_t x_sequence, int64_t steps, int64_t count,
               uintptr_t sizes, int64_t packed_rows, uintptr_t h, uintptr_t c, uintptr_t masks, uintptr_t outputs,
               int64_t outputs_step, int64_t outputs_sequence, uintptr_t last_h, uintptr_t last_c, uintptr_t saved,
               int threads) {
    const std::vector<LayerSource<T>> from = sources(weights);
    check_packing(pointer<const int64_t>(sizes), steps, count, packed_rows);
    PassInput<T> input = pass({pointer<const T>(x), x_step, x_sequence}, steps, count, masks, saved);
    input.state = {pointer<const T>(h), pointer<const T>(c)};
    const Unlocked unlocked(steps * count * flops() > unlock_from);
    Borrowed<T> layers(shape_);
    layers->forward(from.data(), input, {pointer<const int64_t>(sizes)},
                    {pointer<T>(outputs), outputs_step, outputs_sequence}, {pointer<T>(last_h), pointer<T>(last_c)},
                    threads);
  }

  // With the arguments of the forward pass and what it saved, which is only read. An address of 0 is a gradient that is
  // zero, or that nobody needs.
  void backward(const nb::list& weights, uintptr_t x, int64_t x_step, int64_t x_sequence, int64_t steps, int64_t count,
                uintptr_t sizes, int64_t packed_rows, uintptr_t masks, uintptr_t saved, uintptr_t d_outputs,
                int64_t d_outputs_step, int64_t d_outputs_sequence, uintptr_t d_last_h, uintptr_t d_last_c,
                const nb::list& d_weights, uintptr_t d_x, int64_t d_x_step, int64_t d_x_sequence, uintptr_t d_h,
                uintptr_t d_c, int threads) {
    const std::vector<LayerSource<T>> from = sources(weights);
    const std::vector<uintptr_t> to = addresses(d_weights);
    std::vector<RowGradients<T>> rows(from.size());
    const std::size_t each = shape_.bias ? 4 : 2;
    if (to.size() != each * rows.size()) throw nb::value_error("`d_weights` must have an address for each weight");
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const uintptr_t* at = to.data() + row * each;
      rows[row] = {pointer<T>(at[0]), pointer<T>(at[1]), pointer<T>(shape_.bias ? at[2] : 0),
                   pointer<T>(shape_.bias ? at[3] : 0)};
    }
    check_packing(pointer<const int64_t>(sizes), steps, count, packed_rows);
    const PassInput<T> input = pass({pointer<const T>(x), x_step, x_sequence}, steps, count, masks, saved);
    PassGradients<T> into;
    into.rows = rows.data();
    into.inputs = {pointer<T>(d_x), d_x_step, d_x_sequence};
    into.state = {pointer<T>(d_h), pointer<T>(d_c)};
    const Unlocked unlocked(2 * steps * count * flops() > unlock_from);
    Borrowed<T> layers(shape_);
    layers->backward(from.data(), input, {pointer<const int64_t>(sizes)},
                     {pointer<const T>(d_outputs), d_outputs_step, d_outputs_sequence},
                     {pointer<const T>(d_last_h), pointer<const T>(d_last_c)}, into, threads);
  }

 private:
  // Others may use the interpreter while this is there; not worth its while for a few microseconds.
  class Unlocked {
   public:
    explicit Unlocked(bool release) {
      if (release) release_.emplace();
    }

   private:
    std::optional<nb::gil_scoped_release> release_;
  };
  static constexpr int64_t unlock_from = 200000;

  static void check_packing(const int64_t* sizes, int64_t steps, int64_t count, int64_t rows) {
    if (!sizes) return;
    int64_t total = 0, before = count;
    for (int64_t t = 0; t < steps; ++t) {
      if (sizes[t] < 1 || sizes[t] > before) throw nb::value_error("`batch_sizes` must fall and be at least 1");
      total += before = sizes[t];
    }
    if (total != rows || sizes[0] != count) throw nb::value_error("`batch_sizes` must add up to the rows of the data");
  }

  int64_t flops() const {
    return 2 * shape_.rows() * shape_.gates() * shape_.hidden_size * (shape_.hidden_size + shape_.layer_input(0));
  }

  static std::vector<uintptr_t> addresses(const nb::list& list) {
    std::vector<uintptr_t> numbers;
    numbers.reserve(nb::len(list));
    for (const nb::handle item : list) numbers.push_back(nb::cast<uintptr_t>(item));
    return numbers;
  }

  std::vector<LayerSource<T>> sources(const nb::list& weights) const {
    const std::vector<uintptr_t> from = addresses(weights);
    const std::size_t each = shape_.bias ? 4 : 2, rows = static_cast<std::size_t>(shape_.rows());
    if (from.size() != each * rows) throw nb::value_error("`weights` must have an address for each parameter");
    std::vector<LayerSource<T>> by_row(rows);
    for (std::size_t row = 0; row < rows; ++row) {
      const uintptr_t* at = from.data() + row * each;
      by_row[row] = {pointer<const T>(at[0]), pointer<const T>(at[1]), pointer<const T>(shape_.bias ? at[2] : 0),
                     pointer<const T>(shape_.bias ? at[3] : 0),
                     shape_.layer_input(static_cast<int64_t>(row) / shape_.directions)};
    }
    return by_row;
  }

  static PassInput<T> pass(Rows<const T> x, int64_t steps, int64_t count, uintptr_t masks, uintptr_t saved) {
    PassInput<T> input;
    input.dense = x;
    input.steps = steps;
    input.count = count;
    input.masks = pointer<const T>(masks);
    input.saved = pointer<T>(saved);
    input.save = saved != 0;
    return input;
  }

  const Shape shape_;
};

template <class T>
void bind(nb::module_& m, const char* layers_name, const char* calls_name) {
  using L = PythonLayers<T>;
  nb::class_<L>(m, layers_name)
      .def(nb::init<const Shape&>(), "shape"_a)
      .def_prop_ro("size", &L::size, "How many parameters there are.")
      .def("load_parameters", &L::load_parameters, "block"_a)
      .def("forward", &L::forward, nb::kw_only(), "x"_a, "h"_a.none(), "c"_a.none(), "outputs"_a, "last_h"_a,
           "last_c"_a.none(), "save"_a)
      .def("backward", &L::backward, nb::kw_only(), "d_outputs"_a, "d_last_h"_a.none(), "d_last_c"_a.none(),
           "d_block"_a, "d_x"_a.none(), "d_h"_a.none(), "d_c"_a.none());

  using C = PythonLayerCalls<T>;
  nb::class_<C>(m, calls_name)
      .def(nb::init<const Shape&>(), "shape"_a)
      .def("saved_size", &C::saved_size, "steps"_a, "count"_a, "masks"_a,
           "How many numbers a pass saves for its backward pass.")
      .def("forward", &C::forward, nb::kw_only(), "weights"_a, "x"_a, "x_step"_a, "x_sequence"_a, "steps"_a, "count"_a,
           "sizes"_a, "packed_rows"_a, "h"_a, "c"_a, "masks"_a, "outputs"_a, "outputs_step"_a, "outputs_sequence"_a,
           "last_h"_a, "last_c"_a, "saved"_a, "threads"_a)
      .def("backward", &C::backward, nb::kw_only(), "weights"_a, "x"_a, "x_step"_a, "x_sequence"_a, "steps"_a,
           "count"_a, "sizes"_a, "packed_rows"_a, "masks"_a, "saved"_a, "d_outputs"_a, "d_outputs_step"_a,
           "d_outputs_sequence"_a, "d_last_h"_a, "d_last_c"_a, "d_weights"_a, "d_x"_a, "d_x_step"_a, "d_x_sequence"_a,
           "d_h"_a, "d_c"_a, "threads"_a);
}

}  // namespace

void bind_layers(nb::module_& m) {
  bind<float>(m, "Layers32", "LayerCalls32");
  bind<double>(m, "Layers64", "LayerCalls64");
}

}  // namespace elman
