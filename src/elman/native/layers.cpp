#include "layers.h"

#include <algorithm>

#include "denormals.h"
#include "isa.h"

namespace elman {

template <class T>
Layers<T>::Layers(const Shape& shape)
    : shape_(shape), layout_(shape), stack_(shape_, layout_, kernels_for<T>(shape.hidden_size)) {
  parameters_.zeros(size());
}

template <class T>
void Layers<T>::load_parameters(const T* from) {
  const std::lock_guard<std::mutex> guard(busy_);
  std::copy_n(from, size(), parameters_.data());
  ++version_;
}

template <class T>
void Layers<T>::forward(const PassInput<T>& input, Rows<T> outputs, State<T> last) {
  const std::lock_guard<std::mutex> guard(busy_);
  const FlushDenormals flush;
  Team team;
  steps_ = input.steps, count_ = input.count;
  stack_.forward(parameters_.data(), version_, input, team);
  const int64_t hidden = shape_.hidden_size, hp = stack_.padded();
  const Rows<const T> top = stack_.top();
  const int parts = steps_ * count_ * hidden > 30000 ? team.size() : 1;
  team.share(parts, steps_, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t)
      for (int64_t n = 0; n < count_; ++n)
        for (int64_t d = 0; d < shape_.directions; ++d) {
          T* row = outputs.at(t, n) + d * hidden;
          if (!input.lengths || t < input.lengths[n])
            std::copy_n(top.at(t, n) + d * hp, hidden, row);
          else
            std::fill_n(row, hidden, T(0));
        }
  });
  const int64_t numbers = shape_.rows() * count_ * hidden;
  if (last.h) std::copy_n(stack_.last_h(), numbers, last.h);
  if (last.c) std::copy_n(stack_.last_c(), numbers, last.c);
}

template <class T>
void Layers<T>::backward(Rows<const T> d_outputs, State<const T> d_last, const PassGradients<T>& into) {
  const std::lock_guard<std::mutex> guard(busy_);
  const FlushDenormals flush;
  Team team;
  // The kernels read whole vectors: gradients are copied into padded rows, unless they already are such.
  const int64_t hidden = shape_.hidden_size, hp = stack_.padded(), wide = shape_.directions * hp;
  Rows<const T> rows = d_outputs;
  if (d_outputs.data && hidden != hp) {
    T* padded = stack_.d_top();
    rows = {padded, count_ * wide, wide};
    for (int64_t t = 0; t < steps_; ++t)
      for (int64_t n = 0; n < count_; ++n)
        for (int64_t d = 0; d < shape_.directions; ++d) {
          T* row = padded + (t * count_ + n) * wide + d * hp;
          std::copy_n(d_outputs.at(t, n) + d * hidden, hidden, row);
          std::fill_n(row + hidden, hp - hidden, T(0));
        }
  }
  stack_.backward(into, rows, d_last, 0, team);
}

template class Layers<float>;
template class Layers<double>;

}  // namespace elman
