// Backpropagation through time. See stack.h.
//
// The loop over time forms only the gradients of the gates, in place of the gates where those are ours to lose, and of
// the state. The gradients of the weights and of the inputs are single products over all T * N rows after it (as in
// LMNT's Haste).
#include <algorithm>
#include <cstring>

#include "stack.h"

namespace elman {

namespace {

// Sums over this many rows or more, with few columns to share out, are cut into pieces of time instead.
constexpr int64_t long_sum = 2048;
constexpr int64_t sum_pieces = 8;

// One product of the weight gradients: c (m, n) = the sum over rows of a outer b.
template <class T>
struct Sum {
  const T* a;
  int64_t a_stride, m;
  const T* b;
  int64_t b_stride, n;
  T* c;
  int64_t c_stride;
};

// Whether few inputs make it better to run vectors along the gates, forming the transposed gradient.
bool transposed_input(int64_t features, int64_t width) { return features <= width / 2; }

}  // namespace

template <class T>
void Stack<T>::layer_backward(int64_t row, const PassGradients<T>& into, Rows<const T> d_outputs, State<const T> d_last,
                              int64_t backprop_steps, int64_t from, Team& team) {
  const int64_t layer = row / shape_.directions, direction = row % shape_.directions;
  const int64_t steps = input_.steps, count = input_.count, hp = padded(), slots = shape_.slots() * hp;
  LayerWeights<T>& w = weights_[static_cast<std::size_t>(row)];
  packer_.recurrent_back(w, source(row), version_, count == 1, team);

  const int64_t hidden = shape_.hidden_size, state = row * count * hidden;
  T* dh = dh_.zeros(count * hp);
  T* dc = shape_.has_cell_state() ? dc_.zeros(count * hp) : nullptr;
  for (int64_t n = 0; n < count; ++n) {
    if (d_last.h) std::copy_n(d_last.h + state + n * hidden, hidden, dh + n * hp);
    if (d_last.c && dc) std::copy_n(d_last.c + state + n * hidden, hidden, dc + n * hp);
  }
  BackwardArgs<T> b{};
  b.cell = shape_.cell;
  b.reverse = direction == 1;
  b.steps = steps;
  b.hidden = shape_.hidden_size;
  b.padded = hp;
  b.step0 = from;
  b.step1 = steps;
  b.slots = {memory_.slots[static_cast<std::size_t>(row)], count * slots, slots};
  b.d_slots = {input_.saved ? d_slots_.reserve(steps * count * slots) : memory_.slots[static_cast<std::size_t>(row)],
               count * slots, slots};
  d_slots_at_ = b.d_slots.data;
  if (!saves_slots()) b.slots = {b.d_slots.data, b.d_slots.step, b.d_slots.sequence};
  b.h = {memory_.h[static_cast<std::size_t>(layer)] + direction * hp, count * wide(), wide()};
  if (shape_.has_cell_state()) {
    b.c = {memory_.c[static_cast<std::size_t>(layer)] + direction * hp, count * wide(), wide()};
    b.dc = {dc, 0, hp};
  }
  b.weights = w.recurrent_back.panels();
  if (d_outputs.data) b.d_outputs = {d_outputs.data + direction * hp, d_outputs.step, d_outputs.sequence};
  b.dh = {dh, 0, hp};
  b.lengths = input_.lengths;
  b.backprop_steps = backprop_steps;

  const int64_t vectors = packer_.hidden_vectors();
  run_plan(plan(steps - from, count), team, [&](int part, int parts, Barrier* barrier) {
    BackwardArgs<T> mine = b;
    const bool columns = barrier != nullptr;
    mine.n0 = columns ? 0 : count * part / parts;
    mine.n1 = columns ? count : count * (part + 1) / parts;
    mine.v0 = 0, mine.v1 = vectors;
    if (columns) {
      const int64_t width = b.weights.per_panel, panels = (vectors + width - 1) / width;
      mine.v0 = std::min(vectors, panels * part / parts * width);
      mine.v1 = std::min(vectors, panels * (part + 1) / parts * width);
      mine.barrier = barrier;
    }
    k_.backward(mine);
  });

  for (int64_t n = 0; n < count; ++n) {
    if (into.state.h) std::copy_n(b.dh.at(0, n), hidden, into.state.h + state + n * hidden);
    if (into.state.c && dc) std::copy_n(b.dc.at(0, n), hidden, into.state.c + state + n * hidden);
  }
}

template <class T>
void Stack<T>::weight_gradients(int64_t row, const PassGradients<T>& into, int64_t from, Team& team) {
  const int64_t layer = row / shape_.directions, direction = row % shape_.directions;
  const int64_t count = input_.count, hp = padded(), hidden = shape_.hidden_size, gates = shape_.gates();
  const int64_t slots = shape_.slots() * hp, k = (input_.steps - from) * count;
  const int64_t features = shape_.layer_input(layer);
  const RowGradients<T> to = gradients(into, row);
  const T* d_slots = d_slots_at_ + from * count * slots;
  const bool one_hot = layer == 0 && shape_.inputs == Inputs::one_hot;
  const bool transposed = !one_hot && layer == 0 && transposed_input(features, k_.width);
  const int64_t input_columns = gates * hp;

  const bool shared = static_cast<double>(k) * static_cast<double>(gates * hidden) * static_cast<double>(hidden) > 4e5;
  const int threads = shared ? team.size() : 1;
  const bool pieces = hidden <= 16 && k >= long_sum;
  const int64_t per_piece = (k + sum_pieces - 1) / sum_pieces;

  std::vector<Sum<T>> sums;
  const T* h_before =
      memory_.h[static_cast<std::size_t>(layer)] + (direction == 1 ? 2 : from) * count * wide() + direction * hp;
  for (int64_t g = 0; to.hh && g < gates; ++g)
    sums.push_back({.a = d_slots + (shape_.facts().recurrent_slot + g) * hp,
                    .a_stride = slots,
                    .m = hidden,
                    .b = h_before,
                    .b_stride = wide(),
                    .n = hidden,
                    .c = to.hh + g * hidden * hidden,
                    .c_stride = hidden});

  // Scratch: the input gradient by slot (features or tokens, G * Hp), the column sums, then room for each thread.
  const int64_t table = to.ih && (transposed || one_hot) ? features * input_columns : 0;
  int64_t work = 0, partial = 0;
  if (!one_hot && to.ih) {
    const Rows<const T> x = layer_input(layer);
    if (transposed) {
      sums.push_back({.a = x.at(from),
                      .a_stride = x.sequence,
                      .m = features,
                      .b = d_slots,
                      .b_stride = slots,
                      .n = input_columns,
                      .c = nullptr,
                      .c_stride = input_columns});
    } else {
      const int64_t inputs = layer > 0 ? shape_.directions : 1, piece = features / inputs;
      for (int64_t i = 0; i < inputs; ++i)
        for (int64_t g = 0; g < gates; ++g)
          sums.push_back({.a = d_slots + shape_.facts().input_slots[g] * hp,
                          .a_stride = slots,
                          .m = hidden,
                          .b = x.at(from) + i * hp,
                          .b_stride = x.sequence,
                          .n = piece,
                          .c = to.ih + g * hidden * features + i * piece,
                          .c_stride = features});
    }
  }
  for (const Sum<T>& s : sums) {
    work = std::max(work, k_.outer_work(s.m, s.n, k));
    partial += s.m * s.n;
  }
  T* scratch = scratch_.reserve(table + slots + team.size() * work + (pieces ? sum_pieces * partial : 0));
  T* column_totals = scratch + table;
  T* works = column_totals + slots;
  T* partials = works + team.size() * work;
  if (transposed && to.ih) sums.back().c = scratch;

  const auto outer = [&](const Sum<T>& s, T* c, int64_t c_stride, int64_t k0, int64_t k1, int64_t m0, int64_t m1) {
    const bool packs = k_.outer_work(s.m, s.n, k) > 0;
    k_.outer({.a = s.a + k0 * s.a_stride,
              .a_stride = s.a_stride,
              .b = s.b + k0 * s.b_stride,
              .b_stride = s.b_stride,
              .c = c,
              .c_stride = c_stride,
              .n = s.n,
              .k = k1 - k0,
              .accumulate = false,
              .m0 = m0,
              .m1 = m1,
              .work = packs ? works + Team::slot() * work : nullptr});
  };
  // Parts: the sums, each cut by rows (or by time, for the long sums of tiny layers) where there are few of them; then
  // the biases and the tokens, each cut by columns.
  const int count_of_sums = static_cast<int>(sums.size());
  const int cuts =
      pieces ? static_cast<int>(sum_pieces) : (2 * threads + count_of_sums - 1) / std::max(1, count_of_sums);
  const int bias_parts = to.bias_ih || to.bias_hh ? threads : 0, token_parts = one_hot && to.ih ? threads : 0;
  const int all = count_of_sums * cuts + bias_parts + token_parts;
  const auto work_on = [&](int part) {
    if (part < count_of_sums * cuts) {
      const int index = part / cuts, cut = part % cuts;
      const Sum<T>& s = sums[static_cast<std::size_t>(index)];
      if (pieces) {
        T* c = partials + cut * partial;
        for (int before = 0; before < index; ++before) {
          const Sum<T>& other = sums[static_cast<std::size_t>(before)];
          c += other.m * other.n;
        }
        if (cut * per_piece < k) outer(s, c, s.n, cut * per_piece, std::min(k, (cut + 1) * per_piece), 0, s.m);
      } else {
        const int64_t tiles = (s.m + 7) / 8;
        const int64_t m0 = std::min(s.m, tiles * cut / cuts * 8), m1 = std::min(s.m, tiles * (cut + 1) / cuts * 8);
        if (m0 < m1) outer(s, s.c, s.c_stride, 0, k, m0, m1);
      }
      return;
    }
    part -= count_of_sums * cuts;
    if (part < bias_parts) {
      const int64_t vectors = slots / k_.width;
      k_.column_sums(d_slots, slots, k, column_totals, vectors * part / bias_parts, vectors * (part + 1) / bias_parts);
      return;
    }
    part -= bias_parts;
    // Each part adds up its own columns, in the order of the rows.
    const int64_t vectors = input_columns / k_.width, first = vectors * part / token_parts * k_.width;
    const int64_t size = vectors * (part + 1) / token_parts * k_.width - first;
    for (int64_t v = 0; v < features; ++v) std::fill_n(scratch + v * input_columns + first, size, T(0));
    for (int64_t i = 0; i < k; ++i) {
      const int64_t t = from + i / count, n = i % count;
      k_.add(scratch + input_.tokens[n * input_.steps + t] * input_columns + first, d_slots + i * slots + first, size);
    }
  };
  if (shared)
    team.run(all, [&](int part, int) { work_on(part); });
  else
    for (int part = 0; part < all; ++part) work_on(part);
  if (pieces) {
    int64_t offset = 0;
    for (const Sum<T>& s : sums) {
      for (int64_t p = 1; p < sum_pieces && p * per_piece < k; ++p)
        k_.add(partials + offset, partials + p * partial + offset, s.m * s.n);
      for (int64_t m = 0; m < s.m; ++m) std::copy_n(partials + offset + m * s.n, s.n, s.c + m * s.c_stride);
      offset += s.m * s.n;
    }
  }
  if (to.ih && (transposed || one_hot))
    for (int64_t g = 0; g < gates; ++g) {
      const T* from_slot = scratch + shape_.facts().input_slots[g] * hp;
      T* natural = to.ih + g * hidden * features;
      for (int64_t j = 0; j < hidden; ++j)
        for (int64_t d = 0; d < features; ++d) natural[j * features + d] = from_slot[d * input_columns + j];
    }
  for (int64_t g = 0; g < gates; ++g) {
    if (to.bias_ih) std::copy_n(column_totals + shape_.facts().input_slots[g] * hp, hidden, to.bias_ih + g * hidden);
    if (to.bias_hh)
      std::copy_n(column_totals + (shape_.facts().recurrent_slot + g) * hp, hidden, to.bias_hh + g * hidden);
  }
}

template <class T>
RowGradients<T> Stack<T>::gradients(const PassGradients<T>& into, int64_t row) const {
  if (into.rows) return into.rows[row];
  if (!into.parameters) return {};
  const Layout::Row& at = layout_.rows[static_cast<std::size_t>(row)];
  return {into.parameters + at.ih, into.parameters + at.hh, at.bias_ih < 0 ? nullptr : into.parameters + at.bias_ih,
          at.bias_hh < 0 ? nullptr : into.parameters + at.bias_hh};
}

// The gradient of a layer's inputs, from step `from` on, into rows of `columns` numbers. The second direction adds.
template <class T>
void Stack<T>::input_gradients(int64_t row, Rows<T> into, int64_t columns, int64_t from, Team& team) {
  const int64_t layer = row / shape_.directions, slots = shape_.slots() * padded(), count = input_.count;
  LayerWeights<T>& w = weights_[static_cast<std::size_t>(row)];
  packer_.input_back(w, source(row), version_, layer > 0 ? shape_.directions : 1, team);
  ProductArgs<T> product{};
  // From the last slot to the first: a GRU's n is much larger than its r and z, and would make all sums after it
  // inexact.
  product.a = {d_slots_at_ + (shape_.gates() - 1) * padded(), count * slots, slots};
  product.segments = shape_.gates();
  product.length = shape_.hidden_size;
  product.segment_stride = -padded();
  product.b = w.input_back.panels();
  product.c = into;
  product.columns = columns;
  product.accumulate = row % shape_.directions == 1;
  const int64_t steps = input_.steps - from, all = w.input_back.panels().vectors;
  const double flops = 2.0 * static_cast<double>(steps * count) *
                       static_cast<double>(shape_.gates() * shape_.hidden_size) * static_cast<double>(columns);
  const int parts = flops > 4e5 ? 2 * team.size() : 1;
  if (steps >= parts)
    team.share(parts, steps, 1,
               [&](int64_t t0, int64_t t1) { k_.product(product, {from + t0, from + t1, 0, count, 0, all}); });
  else
    team.share(parts, count, 1,
               [&](int64_t n0, int64_t n1) { k_.product(product, {from, input_.steps, n0, n1, 0, all}); });
}

template <class T>
void Stack<T>::backward(const PassGradients<T>& into, Rows<const T> d_outputs, State<const T> d_last,
                        int64_t backprop_steps, Team& team) {
  const int64_t steps = input_.steps, count = input_.count, features = shape_.layer_input(0);
  // Where only last states have a gradient and it goes back few steps, all steps before those have none at all.
  int64_t from = 0;
  if (backprop_steps && !d_outputs.data && shape_.directions == 1) {
    from = steps;
    for (int64_t n = 0; n < count; ++n)
      from = std::min(from, std::max<int64_t>(0, (input_.lengths ? input_.lengths[n] : steps) - backprop_steps));
  }
  for (int64_t layer = shape_.num_layers - 1; layer >= 0; --layer) {
    const bool to_inputs = layer == 0 && into.inputs.data, to_table = layer == 0 && shape_.inputs == Inputs::embedding;
    Rows<T> d_below{};
    int64_t columns = wide();
    if (layer > 0) {
      d_below = {d_below_.reserve(steps * count * wide()), count * wide(), wide()};
    } else {
      columns = features;
      d_below =
          to_table ? Rows<T>{d_below_.reserve(steps * count * features), count * features, features} : into.inputs;
    }
    for (int64_t direction = 0; direction < shape_.directions; ++direction) {
      const int64_t row = layer * shape_.directions + direction;
      layer_backward(row, into, d_outputs, d_last, backprop_steps, from, team);
      if (gradients(into, row).any()) weight_gradients(row, into, from, team);
      if (layer > 0 || to_inputs || to_table) input_gradients(row, d_below, columns, from, team);
    }
    if (layer > 0) {
      if (dropping()) {
        const int64_t first = from * count * wide();
        k_.multiply(d_below.data + first, d_below.data + first,
                    memory_.masks[static_cast<std::size_t>(layer - 1)] + first, (steps - from) * count * wide());
      }
      d_above_.swap(d_below_);
      d_outputs = {d_above_.data(), count * wide(), wide()};
    } else if (to_inputs) {
      for (int64_t t = 0; t < from; ++t)
        for (int64_t n = 0; n < count; ++n) std::fill_n(into.inputs.at(t, n), features, T(0));
    } else if (to_table && into.parameters) {
      T* table = into.parameters + layout_.embedding;
      std::fill_n(table, shape_.input_size * features, T(0));
      for (int64_t t = from; t < steps; ++t)
        for (int64_t n = 0; n < count; ++n)
          k_.add(table + input_.tokens[n * steps + t] * features, d_below.at(t, n), features);
    }
  }
}

template void Stack<float>::backward(const PassGradients<float>&, Rows<const float>, State<const float>, int64_t,
                                     Team&);
template void Stack<double>::backward(const PassGradients<double>&, Rows<const double>, State<const double>, int64_t,
                                      Team&);

}  // namespace elman
