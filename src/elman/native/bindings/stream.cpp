// Streams in the Python module. A step looks at its arguments by itself, so that it costs little, and returns None
// where Python has to check and convert first.
#include "stream.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <utility>

#include "bindings/arguments.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace elman {
namespace {

// x and what comes back are as in the contract: `Stream` in elman/engines/contract.py.
template <class T>
class PythonStream {
 public:
  PythonStream(std::shared_ptr<Engine<T>> engine, int64_t sessions)
      : stream_(std::move(engine), sessions), shape_(stream_.engine().shape()) {
    // Below some microseconds of work, giving up the interpreter lock costs more than it gives to others.
    const int64_t work =
        sessions * shape_.rows() * shape_.gates() * shape_.hidden_size * (shape_.hidden_size + shape_.layer_input(0));
    release_ = work > 200000;
  }

  nb::object step(nb::handle x, nb::handle out) {
    const int64_t sessions = stream_.sessions();
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

  // xs is a whole array (S, T, D) or (S, T); returns (S, T, O).
  nb::object step_many(nb::handle xs) {
    const View<T> dense(shape_.tokens() ? nb::handle(Py_None) : xs);
    const View<int64_t> tokens(shape_.tokens() ? xs : nb::handle(Py_None));
    if (shape_.tokens() ? !tokens : !dense) throw nb::type_error("`xs` must be an array of the engine's dtype");
    const int64_t steps = shape_.tokens() ? tokens.size(1) : dense.size(1);
    const nb::object outputs = empty_array<T>({stream_.sessions(), steps, shape_.output_size});
    T* const to = View<T>(outputs).data();
    {
      const nb::gil_scoped_release release;
      stream_.step_many(dense.data(), tokens.data(), steps, to);
    }
    return outputs;
  }

  nb::object get_state() const {
    const NewState<T> state(shape_, stream_.sessions());
    stream_.get_state(state.pointers());
    return state.tuple();
  }

  void set_state(nb::handle state) {
    stream_.set_state(StateArgument<const T>(state, shape_, stream_.sessions()).checked());
  }

 private:
  nb::object run(const T* x, const int64_t* tokens, bool single, nb::handle out) {
    if (tokens && !all_within(tokens, stream_.sessions(), 0, shape_.input_size - 1)) return nb::none();
    nb::object outputs = nb::borrow(out);
    if (out.is_none())
      outputs =
          single ? empty_array<T>({shape_.output_size}) : empty_array<T>({stream_.sessions(), shape_.output_size});
    const View<T> to(outputs, true);
    const bool fits =
        single ? to.has_shape({shape_.output_size}) : to.has_shape({stream_.sessions(), shape_.output_size});
    if (!fits) return nb::none();
    if (release_) {
      const nb::gil_scoped_release release;
      stream_.step(x, tokens, to.data());
    } else {
      stream_.step(x, tokens, to.data());
    }
    return outputs;
  }

  Stream<T> stream_;
  Shape shape_;
  bool release_;
};

template <class T>
void bind(nb::module_& m, const char* name) {
  using S = PythonStream<T>;
  nb::class_<S>(m, name)
      .def(nb::init<std::shared_ptr<Engine<T>>, int64_t>(), "engine"_a, "sessions"_a)
      .def("step", &S::step, nb::arg(), nb::arg().none())
      .def("step_many", &S::step_many, "xs"_a)
      .def("get_state", &S::get_state)
      .def("set_state", &S::set_state, "state"_a.none());
}

}  // namespace

void bind_streams(nb::module_& m) {
  bind<float>(m, "Stream32");
  bind<double>(m, "Stream64");
}

}  // namespace elman
