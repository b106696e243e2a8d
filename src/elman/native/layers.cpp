#include "layers.h"

#include <algorithm>

#include "denormals.h"
#include "isa.h"

namespace elman {

template <class T>
Layers<T>::Layers(const Shape& shape)
    : shape_(shape), layout_(shape), k_(kernels_for<T>(shape.hidden_size)), stack_(shape_, layout_, k_) {}

template <class T>
void Layers<T>::load_parameters(const T* from) {
  const std::lock_guard<std::mutex> guard(busy_);
  std::copy_n(from, size(), parameters_.reserve(size()));
  ++version_;
}

template <class T>
void Layers<T>::forward(const PassInput<T>& input, Rows<T> outputs, State<T> last) {
  const std::lock_guard<std::mutex> guard(busy_);
  const FlushDenormals flush;
  Team team;
  steps_ = input.steps, count_ = input.count;
  stack_.forward(parameters_.data(), version_, input, team);
  run_forward(outputs, last, team);
}

template <class T>
void Layers<T>::backward(Rows<const T> d_outputs, State<const T> d_last, const PassGradients<T>& into) {
  const std::lock_guard<std::mutex> guard(busy_);
  const FlushDenormals flush;
  Team team;
  run_backward(d_outputs, d_last, into, team);
}

template <class T>
void Layers<T>::forward(const LayerSource<T>* sources, PassInput<T> input, Packing packing, Rows<T> outputs,
                        State<T> last, int threads) {
  const FlushDenormals flush;
  Team team(Team::Hosted{threads});
  unpack(input, packing);
  stack_.forward(sources, ++version_, input, team);
  run_forward(outputs, last, team);
}

template <class T>
void Layers<T>::backward(const LayerSource<T>* sources, PassInput<T> input, Packing packing, Rows<const T> d_outputs,
                         State<const T> d_last, PassGradients<T> into, int threads) {
  const FlushDenormals flush;
  Team team(Team::Hosted{threads});
  unpack(input, packing);
  stack_.resume(sources, ++version_, input, team);
  T* const packed = into.inputs.data;
  const int64_t features = shape_.input_size;
  const bool inputs = packing.sizes && packed;
  if (inputs) into.inputs = {d_inputs_.reserve(steps_ * count_ * features), count_ * features, features};
  run_backward(d_outputs, d_last, into, team);
  if (inputs)
    for (int64_t t = 0; t < steps_; ++t)
      std::copy_n(into.inputs.at(t), alive(t) * features, packed + starts_at(t) * features);
}

// Lengths of packed sequences, and where the rows of each step begin.
template <class T>
void Layers<T>::unpack(PassInput<T>& input, Packing packing) {
  steps_ = input.steps, count_ = input.count;
  starts_.clear();
  if (!packing.sizes) return;
  starts_.resize(static_cast<std::size_t>(steps_) + 1);
  lengths_.assign(static_cast<std::size_t>(count_), 0);
  for (int64_t t = 0, n = count_; t < steps_; ++t) {
    starts_[static_cast<std::size_t>(t) + 1] = starts_at(t) + packing.sizes[t];
    for (; n > packing.sizes[t]; --n) lengths_[static_cast<std::size_t>(n) - 1] = t;
  }
  for (int64_t n = 0; n < packing.sizes[steps_ - 1]; ++n) lengths_[static_cast<std::size_t>(n)] = steps_;
  input.starts = starts_.data();
  input.lengths = lengths_.data();
}

template <class T>
void Layers<T>::run_forward(Rows<T> outputs, State<T> last, Team& team) {
  const int64_t hidden = shape_.hidden_size, hp = stack_.padded(), width = shape_.directions * hidden;
  const Rows<const T> top = stack_.top();
  const int64_t* lengths = stack_.lengths();
  const int parts = steps_ * count_ * hidden > 30000 ? team.size() : 1;
  team.share(parts, steps_, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      const Rows<T> rows = starts_.empty() ? Rows<T>{outputs.at(t), 0, outputs.sequence}
                                           : Rows<T>{outputs.data + starts_at(t) * width, 0, width};
      for (int64_t n = 0; n < alive(t); ++n)
        for (int64_t d = 0; d < shape_.directions; ++d) {
          T* row = rows.at(0, n) + d * hidden;
          if (!lengths || t < lengths[n])
            std::copy_n(top.at(t, n) + d * hp, hidden, row);
          else
            std::fill_n(row, hidden, T(0));
        }
    }
  });
  const int64_t numbers = shape_.rows() * count_ * hidden;
  if (last.h) std::copy_n(stack_.last_h(), numbers, last.h);
  if (last.c) std::copy_n(stack_.last_c(), numbers, last.c);
}

template <class T>
void Layers<T>::run_backward(Rows<const T> d_outputs, State<const T> d_last, const PassGradients<T>& into, Team& team) {
  // The kernels read whole vectors: gradients are copied into padded rows, unless they already are such.
  const int64_t hidden = shape_.hidden_size, hp = stack_.padded(), wide = shape_.directions * hp;
  const int64_t width = shape_.directions * hidden;
  Rows<const T> rows = d_outputs;
  if (d_outputs.data && (hidden != hp || !starts_.empty())) {
    T* padded = stack_.d_top();
    rows = {padded, count_ * wide, wide};
    const int parts = steps_ * count_ * hidden > 30000 ? team.size() : 1;
    team.share(parts, steps_, 1, [&](int64_t from, int64_t to) {
      for (int64_t t = from; t < to; ++t) {
        const Rows<const T> natural = starts_.empty() ? Rows<const T>{d_outputs.at(t), 0, d_outputs.sequence}
                                                      : Rows<const T>{d_outputs.data + starts_at(t) * width, 0, width};
        for (int64_t n = 0; n < alive(t); ++n)
          for (int64_t d = 0; d < shape_.directions; ++d) {
            T* row = padded + (t * count_ + n) * wide + d * hp;
            std::copy_n(natural.at(0, n) + d * hidden, hidden, row);
            std::fill_n(row + hidden, hp - hidden, T(0));
          }
      }
    });
  }
  stack_.backward(into, rows, d_last, 0, team);
}

namespace {

template <class T>
struct Lender {
  std::mutex guard;
  std::vector<std::unique_ptr<Layers<T>>> free;  // the longest unused first
};

// Never destroyed: other threads may still give something back when the process ends.
template <class T>
Lender<T>& lender() {
  static Lender<T>* const one = new Lender<T>;
  return *one;
}

constexpr int64_t most_free_bytes = int64_t{1} << 28;

}  // namespace

template <class T>
Borrowed<T>::Borrowed(const Shape& shape) {
  Lender<T>& from = lender<T>();
  const Kernels<T>* const kernels = &kernels_for<T>(shape.hidden_size);
  {
    const std::lock_guard<std::mutex> lock(from.guard);
    for (auto it = from.free.rbegin(); it != from.free.rend(); ++it)
      if ((*it)->shape() == shape && &(*it)->kernels() == kernels) {
        layers_ = std::move(*it);
        from.free.erase(std::next(it).base());
        return;
      }
  }
  layers_ = std::make_unique<Layers<T>>(shape);
}

template <class T>
Borrowed<T>::~Borrowed() {
  Lender<T>& to = lender<T>();
  std::vector<std::unique_ptr<Layers<T>>> unwanted;  // destroyed after the lock is open again
  const std::lock_guard<std::mutex> lock(to.guard);
  to.free.push_back(std::move(layers_));
  int64_t bytes = 0;
  std::size_t first = to.free.size();
  while (first > 0 && (bytes += to.free[first - 1]->bytes()) <= most_free_bytes && to.free.size() - first < 64) --first;
  const auto end = to.free.begin() + static_cast<std::ptrdiff_t>(first);
  unwanted.assign(std::make_move_iterator(to.free.begin()), std::make_move_iterator(end));
  to.free.erase(to.free.begin(), end);
}

template class Layers<float>;
template class Layers<double>;
template class Borrowed<float>;
template class Borrowed<double>;

}  // namespace elman
