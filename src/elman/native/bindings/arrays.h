// NumPy arrays as pointers and shapes: looked at, never converted. NumPy's own C interface makes this a few
// nanoseconds, where the buffer protocol takes a hundred: as much as a step of a small network.
#pragma once

#include <nanobind/nanobind.h>

#define NPY_NO_DEPRECATED_API NPY_1_23_API_VERSION
#define NPY_TARGET_VERSION NPY_1_23_API_VERSION
// One table of NumPy's functions for all files of the module; the file that defines ELMAN_LOADS_NUMPY fills it
// before anything here is used.
#define PY_ARRAY_UNIQUE_SYMBOL elman_numpy
#ifndef ELMAN_LOADS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include <cstdint>
#include <initializer_list>
#include <type_traits>

namespace elman {

template <class T>
constexpr int number_type() {
  using Plain = std::remove_const_t<T>;
  if constexpr (std::is_same_v<Plain, float>) return NPY_FLOAT32;
  if constexpr (std::is_same_v<Plain, double>) return NPY_FLOAT64;
  if constexpr (std::is_same_v<Plain, bool>) return NPY_BOOL;
  return NPY_INT64;
}

// A C-contiguous array of T, or nothing where the object is not one. The object must outlive the view.
template <class T>
class View {
 public:
  View() = default;
  explicit View(nanobind::handle object, bool writable = false) {
    if (!PyArray_Check(object.ptr())) return;
    auto* array = reinterpret_cast<PyArrayObject*>(object.ptr());
    int type = PyArray_TYPE(array);
    if (type == NPY_LONGLONG && sizeof(npy_longlong) == sizeof(int64_t)) type = NPY_INT64;
    if (type != number_type<T>() || (writable ? !PyArray_ISCARRAY(array) : !PyArray_ISCARRAY_RO(array))) return;
    array_ = array;
  }

  explicit operator bool() const { return array_ != nullptr; }
  T* data() const { return array_ ? static_cast<T*>(PyArray_DATA(array_)) : nullptr; }
  int rank() const { return PyArray_NDIM(array_); }
  int64_t size(int axis) const { return static_cast<int64_t>(PyArray_DIM(array_, axis)); }

  bool has_shape(std::initializer_list<int64_t> wanted) const {
    if (!array_ || rank() != static_cast<int>(wanted.size())) return false;
    int axis = 0;
    for (const int64_t n : wanted)
      if (size(axis++) != n) return false;
    return true;
  }

 private:
  PyArrayObject* array_ = nullptr;
};

// A new array, its numbers not set.
template <class T>
nanobind::object empty_array(std::initializer_list<int64_t> shape) {
  npy_intp sizes[8];
  int rank = 0;
  for (const int64_t n : shape) sizes[rank++] = static_cast<npy_intp>(n);
  PyObject* made = PyArray_SimpleNew(rank, sizes, number_type<T>());
  if (!made) throw nanobind::python_error();
  return nanobind::steal(made);
}

}  // namespace elman
