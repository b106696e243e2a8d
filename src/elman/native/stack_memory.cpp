// What a pass saves, and where it lies. See stack.h.
#include <algorithm>

#include "stack.h"

namespace elman {

namespace {

// Numbers of projected input that are worked through at a time, so that the walk finds them in the nearest caches.
constexpr int64_t chunk_numbers = 64 * 1024;

}  // namespace

template <class T>
Stack<T>::Stack(const Shape& shape, const Layout& layout, const Kernels<T>& kernels)
    : shape_(shape),
      layout_(layout),
      k_(kernels),
      packer_(shape_, kernels),
      sources_(static_cast<std::size_t>(shape.rows())),
      weights_(static_cast<std::size_t>(shape.rows())),
      slots_(static_cast<std::size_t>(shape.rows())),
      h_(static_cast<std::size_t>(std::max<int64_t>(2, shape.num_layers))),
      c_(static_cast<std::size_t>(std::max<int64_t>(2, shape.num_layers))),
      masks_(static_cast<std::size_t>(shape.num_layers)),
      dropped_(static_cast<std::size_t>(shape.num_layers)) {
  const auto layers = static_cast<std::size_t>(shape.num_layers);
  memory_ = {std::vector<T*>(static_cast<std::size_t>(shape.rows())), std::vector<T*>(layers), std::vector<T*>(layers),
             std::vector<T*>(layers), std::vector<T*>(layers)};
}

template <class T>
int64_t Stack<T>::chunk() const {
  const int64_t slots = shape_.slots() * padded(), steps = input_.steps;
  return std::clamp<int64_t>(chunk_numbers / (input_.count * slots), std::min<int64_t>(steps, 8), steps);
}

template <class T>
int64_t Stack<T>::saved_size(int64_t steps, int64_t count, bool masks) const {
  const int64_t states = (steps + shape_.directions) * count * wide() * (shape_.has_cell_state() ? 2 : 1);
  const int64_t slots = shape_.slots() > 1 ? shape_.slots() : 0, between = shape_.num_layers - 1;
  return shape_.num_layers * states + steps * count * wide() * (slots * shape_.num_layers + (masks ? 2 * between : 0));
}

// Finds room for what this pass saves. Must match `saved_size`.
template <class T>
void Stack<T>::lay_out_memory() {
  const int64_t count = input_.count, rows = input_.steps * count, slots = shape_.slots() * padded();
  const int64_t states = (input_.steps + shape_.directions) * count * wide();
  const bool save = input_.save;
  T* next = input_.saved;
  const auto room = [&](Buffer<T>& own, int64_t numbers) {
    if (!input_.saved) return own.reserve(numbers);
    T* const at = next;
    next += numbers;
    return at;
  };
  for (std::size_t layer = 0; layer < memory_.h.size(); ++layer) {
    const std::size_t own = save ? layer : layer % 2;  // without saving, a layer only reads the one below it
    memory_.h[layer] = room(h_[own], states);
    // Without saving, one row a sequence is enough: c is only read and written in place.
    if (shape_.has_cell_state()) memory_.c[layer] = room(c_[own], save ? states : count * padded());
    if (!dropping() || layer + 1 == memory_.h.size()) continue;
    memory_.masks[layer] = room(masks_[layer], rows * wide());
    memory_.dropped[layer] = room(dropped_[layer], rows * wide());
  }
  for (std::size_t row = 0; row < memory_.slots.size(); ++row)
    memory_.slots[row] = saves_slots() ? room(slots_[row], rows * slots) : slots_[0].reserve(chunk() * count * slots);
}

template <class T>
Rows<const T> Stack<T>::slot(int64_t row, int number) const {
  const int64_t slots = shape_.slots() * padded();
  return {memory_.slots[static_cast<std::size_t>(row)] + number * padded(), input_.count * slots, slots};
}

template <class T>
Rows<const T> Stack<T>::states(int64_t row, bool cell) const {
  const std::size_t layer = static_cast<std::size_t>(row / shape_.directions);
  const T* data = (cell ? memory_.c : memory_.h)[layer] + input_.count * wide() + row % shape_.directions * padded();
  return {data, input_.count * wide(), wide()};
}

template <class T>
int64_t Stack<T>::bytes() const {
  int64_t total = x_.bytes() + last_h_.bytes() + last_c_.bytes() + dh_.bytes() + dc_.bytes() + d_above_.bytes() +
                  d_below_.bytes() + scratch_.bytes() + d_slots_.bytes();
  for (const LayerWeights<T>& w : weights_)
    total += w.input.bytes() + w.recurrent.bytes() + w.recurrent_back.bytes() + w.input_back.bytes();
  for (const auto* group : {&slots_, &h_, &c_, &masks_, &dropped_})
    for (const Buffer<T>& buffer : *group) total += buffer.bytes();
  return total;
}

template class Stack<float>;
template class Stack<double>;

}  // namespace elman
