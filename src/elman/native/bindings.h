// What the files of the Python module share.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "arrays.h"

namespace elman {

// A wanted array; null pointer for None.
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

// The classes of layers without a head, under these names.
template <class T>
void bind_layers(nanobind::module_& m, const char* layers_name, const char* calls_name);

}  // namespace elman
