#include "stream.h"

#include <algorithm>
#include <cstring>

#include "denormals.h"

namespace elman {

template <class T>
Stream<T>::Stream(std::shared_ptr<Engine<T>> engine, int64_t sessions)
    : engine_(std::move(engine)),
      shape_(engine_->shape()),
      k_(engine_->kernels()),
      sessions_(sessions),
      packer_(shape_, k_),
      head_(shape_, engine_->layout(), k_),
      weights_(static_cast<std::size_t>(shape_.num_layers)),
      h_(static_cast<std::size_t>(shape_.num_layers)),
      c_(static_cast<std::size_t>(shape_.num_layers)) {
  const int64_t row = sessions * packer_.padded();
  for (Buffer<T>& h : h_) h.reserve(2 * row);
  if (shape_.has_cell_state())
    for (Buffer<T>& c : c_) c.reserve(row);
  slots_.reserve(shape_.slots() * row);
  embedded_.reserve(sessions * std::max<int64_t>(1, shape_.embedding_size));
  set_state({});
  pack();
}

template <class T>
void Stream<T>::pack() {
  const uint64_t version = engine_->version();
  if (version == version_) return;
  version_ = version;
  Team team;
  const T* parameters = engine_->parameters();
  for (int64_t layer = 0; layer < shape_.num_layers; ++layer) {
    const Layout::Row& at = engine_->layout().rows[static_cast<std::size_t>(layer)];
    const LayerSource<T> from{parameters + at.ih, parameters + at.hh,
                              at.bias_ih < 0 ? nullptr : parameters + at.bias_ih,
                              at.bias_hh < 0 ? nullptr : parameters + at.bias_hh, shape_.layer_input(layer)};
    LayerWeights<T>& w = weights_[static_cast<std::size_t>(layer)];
    packer_.bias(w, from, version);
    if (layer == 0 && shape_.inputs == Inputs::one_hot)
      packer_.tokens(w, from, version, team);
    else
      packer_.input(w, from, version, sessions_ == 1, team);
    packer_.recurrent(w, from, version, sessions_ == 1, team);
  }
}

template <class T>
void Stream<T>::get_state(State<T> to) const {
  const int64_t hidden = shape_.hidden_size, hp = packer_.padded();
  for (int64_t layer = 0; layer < shape_.num_layers; ++layer)
    for (int64_t s = 0; s < sessions_; ++s) {
      const int64_t at = (layer * sessions_ + s) * hidden;
      const std::size_t l = static_cast<std::size_t>(layer);
      std::copy_n(h_[l].data() + (now_ * sessions_ + s) * hp, hidden, to.h + at);
      if (to.c) std::copy_n(c_[l].data() + s * hp, hidden, to.c + at);
    }
}

template <class T>
void Stream<T>::set_state(State<const T> from) {
  const int64_t hidden = shape_.hidden_size, hp = packer_.padded();
  const auto fill = [&](T* row, const T* values) {
    if (values)
      std::copy_n(values, hidden, row);
    else
      std::fill_n(row, hidden, T(0));
    std::fill_n(row + hidden, hp - hidden, T(0));
  };
  for (int64_t layer = 0; layer < shape_.num_layers; ++layer)
    for (int64_t s = 0; s < sessions_; ++s) {
      const int64_t at = (layer * sessions_ + s) * hidden;
      const std::size_t l = static_cast<std::size_t>(layer);
      fill(h_[l].data() + (now_ * sessions_ + s) * hp, from.h ? from.h + at : nullptr);
      if (shape_.has_cell_state()) fill(c_[l].data() + s * hp, from.c ? from.c + at : nullptr);
    }
}

template <class T>
void Stream<T>::advance(Rows<const T> x, const int64_t* tokens, int64_t token_stride, Rows<T> outputs) {
  const int64_t hp = packer_.padded(), slots = shape_.slots() * hp, half = sessions_ * hp;
  const int64_t next = 1 - now_;
  if (shape_.inputs == Inputs::embedding) {
    const int64_t size = shape_.embedding_size;
    const T* table = engine_->parameters() + engine_->layout().embedding;
    for (int64_t s = 0; s < sessions_; ++s)
      std::copy_n(table + tokens[s * token_stride] * size, size, embedded_.data() + s * size);
    x = {embedded_.data(), 0, size};
  }
  ForwardArgs<T> f{};
  f.cell = shape_.cell;
  f.steps = 1;
  f.hidden = shape_.hidden_size;
  f.padded = hp;
  f.step1 = 1;
  f.turn = now_;
  f.slots = {slots_.data(), 0, slots};
  f.n1 = sessions_;
  f.v1 = packer_.hidden_vectors();
  for (int64_t layer = 0; layer < shape_.num_layers; ++layer) {
    const LayerWeights<T>& w = weights_[static_cast<std::size_t>(layer)];
    const Panels<T>& input = w.input.panels();
    if (layer == 0 && shape_.inputs == Inputs::one_hot) {
      const int64_t size = input.vectors * k_.width;
      for (int64_t s = 0; s < sessions_; ++s)
        std::copy_n(input.data + tokens[s * token_stride] * size, size, slots_.data() + s * slots);
    } else {
      const ProductArgs<T> product{.a = x,
                                   .segments = 1,
                                   .length = shape_.layer_input(layer),
                                   .segment_stride = 0,
                                   .b = input,
                                   .bias = w.bias.data(),
                                   .c = f.slots,
                                   .columns = input.vectors * k_.width,
                                   .accumulate = false};
      k_.product(product, {0, 1, 0, sessions_, 0, input.vectors});
    }
    T* h = h_[static_cast<std::size_t>(layer)].data();
    f.h = {h + now_ * half, (next - now_) * half, hp};
    f.c = {c_[static_cast<std::size_t>(layer)].data(), 0, hp};
    f.weights = w.recurrent.panels();
    f.inner_bias = shape_.bias ? w.inner_bias.data() : nullptr;
    k_.forward(f);
    x = {h + next * half, 0, hp};
  }
  now_ = next;
  Team alone{Team::Alone{}};
  head_.forward(engine_->parameters(), version_, x, outputs, 1, sessions_, alone);
}

template <class T>
void Stream<T>::step(const T* x, const int64_t* tokens, T* outputs) {
  const FlushDenormals flush;
  pack();
  advance({x, 0, shape_.input_size}, tokens, 1, {outputs, 0, shape_.output_size});
}

template <class T>
void Stream<T>::step_many(const T* x, const int64_t* tokens, int64_t steps, T* outputs) {
  const FlushDenormals flush;
  pack();
  for (int64_t t = 0; t < steps; ++t)
    advance({x ? x + t * shape_.input_size : nullptr, 0, steps * shape_.input_size}, tokens ? tokens + t : nullptr,
            steps, {outputs + t * shape_.output_size, 0, steps * shape_.output_size});
}

template class Stream<float>;
template class Stream<double>;

}  // namespace elman
