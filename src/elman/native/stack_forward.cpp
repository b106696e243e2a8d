// Forward through the layers. See stack.h.
#include <algorithm>
#include <cstring>

#include "dropout.h"
#include "stack.h"

namespace elman {

namespace {

// Copies `count` natural rows of `size` numbers into padded ones; zeros where there is nothing to copy.
template <class T>
void fill_rows(T* to, int64_t to_stride, const T* from, int64_t count, int64_t size, int64_t padded) {
  for (int64_t n = 0; n < count; ++n, to += to_stride) {
    if (from)
      std::copy_n(from + n * size, size, to);
    else
      std::fill_n(to, size, T(0));
    std::fill_n(to + size, padded - size, T(0));
  }
}

}  // namespace

// Rule: whole sequences to each thread, which then never wait for each other, where there are enough of them to use
// each loaded weight several times; else columns to each thread, meeting after every step, where a step is long
// enough to be worth a meeting (about 0.3 us). Measured in docs/native-engine.md.
template <class T>
typename Stack<T>::Plan Stack<T>::plan(int64_t steps, int64_t count) const {
  const double units = static_cast<double>(count * shape_.gates() * shape_.hidden_size);
  const double step = 2.0 * units * static_cast<double>(shape_.hidden_size), all = step * static_cast<double>(steps);
  // The elementwise part of a gate takes as long as some hundred operations of a product.
  if (used_threads_ == 1 || all + 100.0 * units * static_cast<double>(steps) < 2.5e6) return {Split::none, 1, 0};
  // Short jobs are cut finer, so that a thread that wakes late still finds a part; long ones keep their weights longer.
  const int64_t most = all < 2e8 ? 4 * used_threads_ : used_threads_;
  if (count >= 8 * used_threads_) return {Split::rows, static_cast<int>(std::min(most, count / 8)), 0};
  // A fifth of the time that one thread would take alone, at some 40 operations a nanosecond.
  if (step >= 2e5) return {Split::columns, used_threads_, all / 2e5};
  const int rows = static_cast<int>(std::min<int64_t>(used_threads_, count));
  return rows > 1 ? Plan{Split::rows, rows, 0} : Plan{Split::none, 1, 0};
}

template <class T>
Rows<const T> Stack<T>::layer_input(int64_t layer) const {
  const int64_t count = input_.count;
  if (layer > 0) {
    const std::size_t below = static_cast<std::size_t>(layer - 1);
    if (dropping()) return {memory_.dropped[below], count * wide(), wide()};
    return {memory_.h[below] + count * wide(), count * wide(), wide()};
  }
  if (!inputs_loaded_) return input_.dense;
  const int64_t features = shape_.layer_input(0), padded = (features + k_.width - 1) / k_.width * k_.width;
  return {x_.data(), count * padded, padded};
}

// Time-major, padded inputs: for the backward pass, and rows of the embedding table.
template <class T>
void Stack<T>::load_inputs(Team& team) {
  inputs_loaded_ = true;
  const int64_t features = shape_.layer_input(0), padded = (features + k_.width - 1) / k_.width * k_.width;
  T* x = x_.reserve(input_.steps * input_.count * padded);
  const T* table = layout_.embedding < 0 ? nullptr : parameters_ + layout_.embedding;
  const int parts = input_.steps * input_.count * padded > 100000 ? team.size() : 1;
  team.share(parts, input_.steps, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t)
      for (int64_t n = 0; n < input_.count; ++n) {
        const int64_t at = n * input_.steps + t;
        const T* row = table ? table + input_.tokens[at] * features : input_.dense.at(t, n);
        if (input_.starts)
          row = t < input_.lengths[n] ? input_.dense.data + (input_.starts[t] + n) * features : nullptr;
        fill_rows(x + (t * input_.count + n) * padded, padded, row, 1, features, padded);
      }
  });
}

template <class T>
void Stack<T>::drop_outputs(int64_t layer, Team& team) {
  const int64_t numbers = input_.steps * input_.count * wide(), hidden = shape_.hidden_size;
  const int64_t width = shape_.directions * hidden;
  T* mask = memory_.masks[static_cast<std::size_t>(layer)];
  T* out = memory_.dropped[static_cast<std::size_t>(layer)];
  const T* h = memory_.h[static_cast<std::size_t>(layer)] + input_.count * wide();
  const int64_t rows = input_.starts ? input_.starts[input_.steps] : input_.steps * input_.count;
  const T* masks = input_.masks ? input_.masks + layer * rows * width : nullptr;
  const DropoutMask value(input_.seed, input_.update, static_cast<uint64_t>(layer), shape_.dropout);
  team.share(numbers > 20000 ? team.size() : 1, input_.steps, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t)
      for (int64_t n = 0; n < input_.count; ++n) {
        T* row = mask + (t * input_.count + n) * wide();
        if (masks) {
          const bool alive = !input_.lengths || t < input_.lengths[n];
          const int64_t at = input_.starts ? input_.starts[t] + n : t * input_.count + n;
          fill_rows(row, padded(), alive ? masks + at * width : nullptr, shape_.directions, hidden, padded());
          continue;
        }
        const int64_t first = (n * input_.steps + t) * width;
        for (int64_t d = 0; d < shape_.directions; ++d, row += padded()) {
          for (int64_t j = 0; j < hidden; ++j)
            row[j] = static_cast<T>(value(static_cast<uint64_t>(first + d * hidden + j)));
          std::fill_n(row + hidden, padded() - hidden, T(0));
        }
      }
    const int64_t begin = from * input_.count * wide(), end = to * input_.count * wide();
    k_.multiply(out + begin, h + begin, mask + begin, end - begin);
  });
}

// The projected inputs of steps [t0, t1), sequences [n0, n1), vectors of columns [v0, v1), into rows that begin at
// step `first`.
template <class T>
void Stack<T>::project(int64_t row, Rows<T> slots, int64_t first, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                       int64_t v0, int64_t v1) const {
  const int64_t layer = row / shape_.directions;
  const LayerWeights<T>& w = weights_[static_cast<std::size_t>(row)];
  if (layer == 0 && shape_.inputs == Inputs::one_hot) {
    const T* table = w.input.panels().data;
    const int64_t stride = w.input.panels().vectors * k_.width, from = v0 * k_.width, size = (v1 - v0) * k_.width;
    for (int64_t t = t0; t < t1; ++t)
      for (int64_t n = n0; n < n1; ++n)
        std::memcpy(slots.at(t - first, n) + from, table + input_.tokens[n * input_.steps + t] * stride + from,
                    static_cast<std::size_t>(size) * sizeof(T));
    return;
  }
  Rows<const T> a = layer_input(layer);
  a.data = a.at(t0);
  slots.data = slots.at(t0 - first);
  const int64_t pieces = layer > 0 ? shape_.directions : 1;
  const int64_t length = shape_.layer_input(layer) / pieces;
  const ProductArgs<T> product{.a = a,
                               .segments = pieces,
                               .length = length,
                               .segment_stride = padded(),
                               .b = w.input.panels(),
                               .bias = w.bias.data(),
                               .c = slots,
                               .columns = w.input.panels().vectors * k_.width,
                               .accumulate = false};
  k_.product(product, {0, t1 - t0, n0, n1, v0, v1});
}

template <class T>
void Stack<T>::run_layer(int64_t row, Team& team) {
  const int64_t layer = row / shape_.directions, steps = input_.steps, count = input_.count, hp = padded();
  const int64_t direction = row % shape_.directions;
  const bool reverse = direction == 1, save = input_.save;
  LayerWeights<T>& w = weights_[static_cast<std::size_t>(row)];
  const LayerSource<T> from = source(row);
  packer_.bias(w, from, version_);
  if (layer == 0 && shape_.inputs == Inputs::one_hot)
    packer_.tokens(w, from, version_, team);
  else
    packer_.input(w, from, version_, count * steps == 1, team);
  packer_.recurrent(w, from, version_, count == 1, team);

  const int64_t slots = shape_.slots() * hp, steps_at_once = chunk();
  T *const h_at = memory_.h[static_cast<std::size_t>(layer)], *const c_at = memory_.c[static_cast<std::size_t>(layer)];

  ForwardArgs<T> f{};
  f.cell = shape_.cell;
  f.save = save;
  f.reverse = reverse;
  f.steps = steps;
  f.hidden = shape_.hidden_size;
  f.padded = hp;
  f.slots = {memory_.slots[static_cast<std::size_t>(row)], count * slots, slots};
  f.h = {h_at + direction * hp, count * wide(), wide()};
  f.weights = w.recurrent.panels();
  f.inner_bias = shape_.bias ? w.inner_bias.data() : nullptr;
  f.lengths = input_.lengths;
  const int64_t start = reverse ? steps + 1 : 0, state = row * count * shape_.hidden_size;
  fill_rows(f.h.at(start), wide(), input_.state.h ? input_.state.h + state : nullptr, count, shape_.hidden_size, hp);
  if (shape_.has_cell_state()) {
    f.c = save ? Rows<T>{c_at + direction * hp, count * wide(), wide()} : Rows<T>{c_at, 0, hp};
    fill_rows(f.c.at(start), f.c.sequence, input_.state.c ? input_.state.c + state : nullptr, count, shape_.hidden_size,
              hp);
  }

  const int64_t vectors = packer_.hidden_vectors(), all = shape_.gates() * vectors;
  run_plan(plan(steps, count), team, [&](int part, int parts, Barrier* barrier) {
    ForwardArgs<T> mine = f;
    const bool columns = barrier != nullptr;
    mine.n0 = columns ? 0 : count * part / parts;
    mine.n1 = columns ? count : count * (part + 1) / parts;
    mine.v0 = 0, mine.v1 = vectors;
    int64_t first = 0, last = all;  // of the projection's columns, in whole panels
    if (columns) {
      const auto edge = [&](int64_t total, int64_t width, int64_t i) {
        return std::min(total, (total + width - 1) / width * i / parts * width);
      };
      mine.v0 = edge(vectors, f.weights.per_panel, part), mine.v1 = edge(vectors, f.weights.per_panel, part + 1);
      const int64_t width = layer == 0 && shape_.inputs == Inputs::one_hot ? 1 : w.input.panels().per_panel;
      first = edge(all, width, part), last = edge(all, width, part + 1);
      mine.barrier = barrier;
    }
    for (int64_t s = 0; s < steps; s += steps_at_once) {
      mine.step0 = s, mine.step1 = std::min(steps, s + steps_at_once);
      const int64_t t0 = reverse ? steps - mine.step1 : mine.step0, t1 = reverse ? steps - mine.step0 : mine.step1;
      mine.slots_first = saves_slots() ? 0 : t0;
      project(row, f.slots, mine.slots_first, t0, t1, mine.n0, mine.n1, first, last);
      if (columns) barrier->wait();
      k_.forward(mine);
    }
  });

  // What is saved has no number unset: of a step that a sequence does not have, the slot that only the walk
  // writes.
  if (input_.saved && input_.lengths && saves_slots())
    for (int64_t n = 0; n < count; ++n)
      for (int64_t t = input_.lengths[n]; t < steps; ++t) std::fill_n(f.slots.at(t, n) + slots - hp, hp, T(0));

  const Rows<T> h = f.h, c = f.c;
  const int64_t end = reverse ? 1 : steps, hidden = shape_.hidden_size;
  for (int64_t n = 0; n < count; ++n) {
    std::copy_n(h.at(end, n), hidden, last_h_.data() + state + n * hidden);
    if (c.data) std::copy_n(c.at(end, n), hidden, last_c_.data() + state + n * hidden);
  }
}

template <class T>
void Stack<T>::begin(uint64_t version, const PassInput<T>& input, Team& team) {
  input_ = input;
  version_ = version;
  used_threads_ = team.size();
  lay_out_memory();
}

template <class T>
void Stack<T>::forward(const T* parameters, uint64_t version, const PassInput<T>& input, Team& team) {
  parameters_ = parameters;
  for (std::size_t row = 0; row < sources_.size(); ++row) {
    const Layout::Row& at = layout_.rows[row];
    sources_[row] = {parameters + at.ih, parameters + at.hh, at.bias_ih < 0 ? nullptr : parameters + at.bias_ih,
                     at.bias_hh < 0 ? nullptr : parameters + at.bias_hh,
                     shape_.layer_input(static_cast<int64_t>(row) / shape_.directions)};
  }
  begin(version, input, team);
  pass(team);
}

template <class T>
void Stack<T>::forward(const LayerSource<T>* sources, uint64_t version, const PassInput<T>& input, Team& team) {
  std::copy_n(sources, sources_.size(), sources_.begin());
  begin(version, input, team);
  // Of two directions, neither has a state where the other begins: what is saved has no number unset.
  if (input.saved && shape_.directions == 2)
    for (const auto* states : {&memory_.h, &memory_.c})
      for (T* const at : *states)
        if (at)
          for (int64_t t : {int64_t{0}, input.steps + 1})
            std::fill_n(at + t * input.count * wide(), input.count * wide(), T(0));
  pass(team);
}

template <class T>
void Stack<T>::resume(const LayerSource<T>* sources, uint64_t version, const PassInput<T>& input, Team& team) {
  std::copy_n(sources, sources_.size(), sources_.begin());
  begin(version, input, team);
  if (plan(input.steps, input.count).parts > 1) team.wake();
  load_inputs(team);
}

template <class T>
void Stack<T>::pass(Team& team) {
  const PassInput<T>& input = input_;
  const int64_t states = shape_.rows() * input.count * shape_.hidden_size;
  last_h_.reserve(states);
  if (shape_.has_cell_state()) last_c_.reserve(states);
  if (plan(input.steps, input.count).parts > 1) team.wake();
  inputs_loaded_ = false;
  if (shape_.inputs == Inputs::embedding || (shape_.inputs == Inputs::dense && copies_inputs())) load_inputs(team);
  for (int64_t layer = 0; layer < shape_.num_layers; ++layer) {
    for (int64_t direction = 0; direction < shape_.directions; ++direction)
      run_layer(layer * shape_.directions + direction, team);
    if (dropping() && layer + 1 < shape_.num_layers) drop_outputs(layer, team);
  }
  top_ = {memory_.h.back() + input.count * wide(), input.count * wide(), wide()};
}

#define ELMAN_STACK_FORWARD(T)                                                                  \
  template void Stack<T>::forward(const T*, uint64_t, const PassInput<T>&, Team&);              \
  template void Stack<T>::forward(const LayerSource<T>*, uint64_t, const PassInput<T>&, Team&); \
  template void Stack<T>::resume(const LayerSource<T>*, uint64_t, const PassInput<T>&, Team&);  \
  template typename Stack<T>::Plan Stack<T>::plan(int64_t, int64_t) const;                      \
  template Rows<const T> Stack<T>::layer_input(int64_t) const;
ELMAN_STACK_FORWARD(float)
ELMAN_STACK_FORWARD(double)
#undef ELMAN_STACK_FORWARD

}  // namespace elman
