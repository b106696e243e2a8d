// What the files of the Python module share: arguments as the core takes them.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "bindings/arrays.h"
#include "shape.h"
#include "stack.h"

namespace elman {

// An array that must be one of T's; null pointer for None.
template <class T>
class Array {
 public:
  Array(nanobind::handle object, const char* name, bool writable = false) : view_(object, writable) {
    if (object.is_none()) return;
    if (!view_)
      throw nanobind::type_error(
          (std::string("`") + name + "` must be a C-contiguous array of the engine's dtype").c_str());
    data_ = view_.data();
  }
  T* data() const { return data_; }
  int64_t size(int axis) const { return view_.size(axis); }

 private:
  View<T> view_;
  T* data_ = nullptr;
};

// A state of `count` sequences: None for zeros, else a tuple (h,), or (h, c) where the cell has c, of (L * R, N, H)
// arrays.
template <class T>
class StateArgument {
 public:
  StateArgument(nanobind::handle state, const Shape& shape, int64_t count) {
    if (state.is_none()) return;
    const bool two = shape.has_cell_state();
    fits_ = PyTuple_Check(state.ptr()) && nanobind::len(state) == (two ? 2u : 1u);
    if (!fits_) return;
    h_ = View<T>(state[0]);
    if (two) c_ = View<T>(state[1]);
    fits_ = h_.has_shape({shape.rows(), count, shape.hidden_size}) &&
            (!two || c_.has_shape({shape.rows(), count, shape.hidden_size}));
  }

  bool fits() const { return fits_; }
  State<const T> pointers() const { return {h_.data(), c_.data()}; }
  State<const T> checked() const {
    if (!fits_) throw nanobind::type_error("`state` must be a tuple of (L * R, N, H) arrays of the engine's dtype");
    return pointers();
  }

 private:
  View<T> h_, c_;
  bool fits_ = true;
};

// A new state to be filled, its numbers not set.
template <class T>
class NewState {
 public:
  NewState(const Shape& shape, int64_t count) : h_(empty_array<T>({shape.rows(), count, shape.hidden_size})) {
    if (shape.has_cell_state()) c_ = empty_array<T>({shape.rows(), count, shape.hidden_size});
  }

  State<T> pointers() const { return {View<T>(h_).data(), c_.is_valid() ? View<T>(c_).data() : nullptr}; }
  nanobind::object tuple() const { return c_.is_valid() ? nanobind::make_tuple(h_, c_) : nanobind::make_tuple(h_); }

 private:
  nanobind::object h_, c_;
};

inline bool all_within(const int64_t* numbers, int64_t count, int64_t low, int64_t high) {
  bool within = true;
  for (int64_t i = 0; i < count; ++i) within &= numbers[i] >= low && numbers[i] <= high;
  return within;
}

// What each file adds to the module; the classes for float32 and float64 under names that end in 32 and 64.
void bind_options(nanobind::module_& m);
void bind_engines(nanobind::module_& m);
void bind_streams(nanobind::module_& m);
void bind_layers(nanobind::module_& m);

}  // namespace elman
