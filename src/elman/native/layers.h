// Recurrent layers without a head, for whoever has their own: what torch.nn.RNN, GRU and LSTM are.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "buffer.h"
#include "shape.h"
#include "stack.h"

namespace elman {

// Sequences of a batch laid one step after the other, without padding: the first sizes[0] rows are those of the first
// step, and so on, sizes never growing. Null where the batch is padded.
struct Packing {
  const int64_t* sizes = nullptr;
};

template <class T>
class Layers {
 public:
  explicit Layers(const Shape& shape);

  const Shape& shape() const { return shape_; }
  const Kernels<T>& kernels() const { return k_; }
  int64_t size() const { return layout_.head; }  // of the block of parameters: the layers' part of `Layout`
  int64_t bytes() const { return stack_.bytes() + d_inputs_.bytes(); }
  int64_t saved_size(int64_t steps, int64_t count, bool masks) const { return stack_.saved_size(steps, count, masks); }

  // With parameters of our own, one pass after the other.

  void load_parameters(const T* from);

  // outputs: rows of R * H numbers, in whichever order; zero at steps that a sequence does not have.
  void forward(const PassInput<T>& input, Rows<T> outputs, State<T> last);

  // After a forward pass that saved.
  void backward(Rows<const T> d_outputs, State<const T> d_last, const PassGradients<T>& into);

  // With the caller's parameters (a source for each row) and memory, by at most so many threads. Where the inputs are
  // packed, so are outputs, dropout masks and their gradients: only the data of the rows are looked at. Not for two
  // calls at a time.

  void forward(const LayerSource<T>* sources, PassInput<T> input, Packing packing, Rows<T> outputs, State<T> last,
               int threads);
  void backward(const LayerSource<T>* sources, PassInput<T> input, Packing packing, Rows<const T> d_outputs,
                State<const T> d_last, PassGradients<T> into, int threads);

 private:
  void unpack(PassInput<T>& input, Packing packing);
  void run_forward(Rows<T> outputs, State<T> last, Team& team);
  void run_backward(Rows<const T> d_outputs, State<const T> d_last, const PassGradients<T>& into, Team& team);
  int64_t alive(int64_t t) const { return starts_.empty() ? count_ : starts_at(t + 1) - starts_at(t); }
  int64_t starts_at(int64_t t) const { return starts_[static_cast<std::size_t>(t)]; }

  const Shape shape_;
  const Layout layout_;
  const Kernels<T>& k_;
  Stack<T> stack_;
  Buffer<T> parameters_, d_inputs_;
  std::vector<int64_t> starts_, lengths_;  // of packed inputs; else empty
  uint64_t version_ = 0;
  int64_t steps_ = 0, count_ = 0;
  std::mutex busy_;
};

// Layers of a shape for one call, that no other call works with meanwhile: their scratch memory is lent again and
// again. What nobody borrows is thrown away from a quarter of a gigabyte on, the longest unused first.
template <class T>
class Borrowed {
 public:
  explicit Borrowed(const Shape& shape);
  ~Borrowed();
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  Layers<T>* operator->() const { return layers_.get(); }

 private:
  std::unique_ptr<Layers<T>> layers_;
};

}  // namespace elman
