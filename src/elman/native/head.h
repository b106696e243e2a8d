// The linear head on top of the recurrent layers: outputs = W h + b, forward and backward.
#pragma once

#include "buffer.h"
#include "kernels/kernels.h"
#include "packed.h"
#include "pool.h"
#include "shape.h"

namespace elman {

template <class T>
class Head {
 public:
  Head(const Shape& shape, const Layout& layout, const Kernels<T>& kernels);

  // Outputs of all rows of `steps` x `count`; a row of `top` is R pieces of Hp.
  void forward(const T* parameters, uint64_t version, Rows<const T> top, Rows<T> outputs, int64_t steps, int64_t count,
               Team& team);

  // From the gradient of the outputs, rows of padded_outputs() numbers one after the other, to those of `top` (rows
  // one after the other) and of the head's parameters, which go into the block of gradients.
  void backward(const T* parameters, uint64_t version, Rows<const T> top, const T* d_outputs, T* d_top, T* d_parameters,
                int64_t steps, int64_t count, Team& team);

  // Rows of outputs, rounded up to whole vectors.
  int64_t padded_outputs() const { return (shape_.output_size + k_.width - 1) / k_.width * k_.width; }

 private:
  int64_t features() const { return shape_.hidden_size * shape_.directions; }
  bool few_outputs() const;

  const Shape shape_;
  const Layout layout_;
  const Kernels<T>& k_;
  int64_t hidden_vectors_;
  PackedMatrix<T> weights_, weights_back_;
  Buffer<T> bias_, work_;
};

}  // namespace elman
