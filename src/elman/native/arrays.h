// NumPy arrays seen through Python's buffer protocol: pointers and shapes, nothing copied, quicker than a conversion.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <initializer_list>
#include <type_traits>

namespace elman {

template <class T>
constexpr bool is_format(char code) {
  using Plain = std::remove_const_t<T>;
  if constexpr (std::is_same_v<Plain, float>) return code == 'f';
  if constexpr (std::is_same_v<Plain, double>) return code == 'd';
  if constexpr (std::is_same_v<Plain, bool>) return code == '?';
  return sizeof(T) == sizeof(long) ? code == 'l' || code == 'q' : code == 'q';
}

// A view of a C-contiguous array of T. Tells whether the object was one; never throws.
template <class T>
class View {
 public:
  View() = default;
  explicit View(nanobind::handle object, bool writable = false) {
    if (!PyObject_CheckBuffer(object.ptr())) return;
    const int flags = PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object.ptr(), &buffer_, flags) != 0) {
      PyErr_Clear();
      return;
    }
    held_ = true;
    const char* format = buffer_.format;
    if (format && (*format == '@' || *format == '=')) ++format;
    fits_ = format && is_format<T>(*format) && format[1] == '\0' && buffer_.itemsize == sizeof(T);
  }
  ~View() {
    if (held_) PyBuffer_Release(&buffer_);
  }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  explicit operator bool() const { return fits_; }
  T* data() const { return static_cast<T*>(buffer_.buf); }
  int rank() const { return buffer_.ndim; }
  int64_t size(int axis) const { return static_cast<int64_t>(buffer_.shape[axis]); }

  bool has_shape(std::initializer_list<int64_t> wanted) const {
    if (!fits_ || rank() != static_cast<int>(wanted.size())) return false;
    int axis = 0;
    for (const int64_t n : wanted)
      if (size(axis++) != n) return false;
    return true;
  }

 private:
  Py_buffer buffer_{};
  bool held_ = false, fits_ = false;
};

// numpy.empty, found once.
class NumPy {
 public:
  static NumPy& get() {
    static NumPy* numpy = new NumPy;  // kept: Python may be gone when globals are destroyed
    return *numpy;
  }

  template <class T>
  nanobind::object empty(nanobind::handle shape) {
    PyObject* arguments[] = {shape.ptr(), dtype<T>().ptr()};
    PyObject* made = PyObject_Vectorcall(empty_.ptr(), arguments, 2, nullptr);
    if (!made) throw nanobind::python_error();
    return nanobind::steal(made);
  }

 private:
  NumPy() {
    const nanobind::module_ numpy = nanobind::module_::import_("numpy");
    empty_ = numpy.attr("empty");
    float32_ = numpy.attr("dtype")("float32");
    float64_ = numpy.attr("dtype")("float64");
    int64_ = numpy.attr("dtype")("int64");
  }

  template <class T>
  const nanobind::object& dtype() const {
    if constexpr (std::is_same_v<T, float>) return float32_;
    if constexpr (std::is_same_v<T, double>) return float64_;
    return int64_;
  }

  nanobind::object empty_, float32_, float64_, int64_;
};

}  // namespace elman
