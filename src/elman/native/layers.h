// Recurrent layers without a head, for whoever has their own: what torch.nn.RNN, GRU and LSTM are.
#pragma once

#include <mutex>

#include "buffer.h"
#include "shape.h"
#include "stack.h"

namespace elman {

template <class T>
class Layers {
 public:
  explicit Layers(const Shape& shape);

  const Shape& shape() const { return shape_; }
  int64_t size() const { return layout_.head; }  // of the block of parameters: the layers' part of `Layout`

  void load_parameters(const T* from);

  // outputs: rows of R * H numbers, in whichever order; zero at steps that a sequence does not have.
  void forward(const PassInput<T>& input, Rows<T> outputs, State<T> last);

  // After a forward pass with keep.
  void backward(Rows<const T> d_outputs, State<const T> d_last, const PassGradients<T>& into);

 private:
  const Shape shape_;
  const Layout layout_;
  Stack<T> stack_;
  Buffer<T> parameters_;
  uint64_t version_ = 0;
  int64_t steps_ = 0, count_ = 0;
  std::mutex busy_;
};

}  // namespace elman
