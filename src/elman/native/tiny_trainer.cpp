#include "tiny_trainer.h"

#include <algorithm>

namespace elman {

namespace {

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// What the kernel's callback needs to know of the loss.
template <class T>
struct LossContext {
  const LossOptions& loss;
  const Kernels<T>& kernels;
  const TinyInput<T>& in;
  const TrainOutput& out;
  int64_t outputs, per_piece;

  double operator()(int64_t piece, const T* row, T* d_row) const {
    const bool classes = loss.kind == LossKind::cross_entropy;
    const int64_t target = classes ? in.classes[piece] : 0;
    const bool counts = !classes || target != loss.ignore_index;
    double weight = loss.kind == LossKind::gaussian ? static_cast<double>(per_piece) : static_cast<double>(outputs);
    if (classes)
      weight = loss.class_weights.empty() ? 1.0 : loss.class_weights[static_cast<std::size_t>(counts ? target : 0)];
    if (!counts) weight = 0;
    const double scale = loss.mean ? (weight != 0 ? 1 / weight : 0.0) : 1.0;
    out.weights[piece] = weight;
    out.scored[piece] = counts;
    out.correct[piece] = classes && counts && std::max_element(row, row + outputs) - row == target;
    if (!counts) {
      std::fill_n(d_row, outputs, T(0));
      return 0;
    }
    return scale * loss_row(loss, kernels, row, classes ? nullptr : in.values + piece * per_piece, target, outputs,
                            scale, d_row, true);
  }
};

}  // namespace

template <class T>
TinyTrainer<T>::TinyTrainer(const Shape& shape, const Layout& layout, const Kernels<T>& kernels)
    : shape_(shape),
      layout_(layout),
      k_(kernels),
      padded_(round_up(shape.hidden_size, kernels.width)),
      size_(padded_ * (shape.input_size + shape.hidden_size + (shape.bias ? 2 : 0) + shape.output_size) +
            (shape.head_bias ? round_up(shape.output_size, kernels.width) : 0)) {}

template <class T>
bool TinyTrainer<T>::fits(const Shape& s, const OptimiserOptions& optimiser) {
  // Padding would not stay zero where Adam divides zero by zero.
  const bool safe = optimiser.kind == OptimiserKind::sgd || optimiser.eps > 0;
  return s.facts().has_tiny_kernel && safe && s.num_layers == 1 && s.directions == 1 && s.inputs == Inputs::dense &&
         s.output_size <= 64 && s.hidden_size * (s.input_size + s.hidden_size) <= 16384;
}

// visit(from, from_stride, to, count): `count` numbers of the network's block, `from_stride` apart, and where they lie
// side by side in the kernel's.
template <class T>
template <class F>
void TinyTrainer<T>::for_each(F&& visit) const {
  const int64_t D = shape_.input_size, H = shape_.hidden_size, O = shape_.output_size;
  const Layout::Row& at = layout_.rows.front();
  int64_t to = 0;
  for (int64_t k = 0; k < D; ++k, to += padded_) visit(at.ih + k, D, to, H);
  for (int64_t k = 0; k < H; ++k, to += padded_) visit(at.hh + k, H, to, H);
  if (shape_.bias) {
    visit(at.bias_ih, 1, to, H);
    visit(at.bias_hh, 1, to + padded_, H);
    to += 2 * padded_;
  }
  for (int64_t o = 0; o < O; ++o, to += padded_) visit(layout_.head + o * H, 1, to, H);
  if (shape_.head_bias) visit(layout_.head_bias, 1, to, O);
}

template <class T>
void TinyTrainer<T>::pack(const T* from, T* to) const {
  std::fill_n(to, size_, T(0));
  for_each([&](int64_t at, int64_t stride, int64_t place, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[place + i] = from[at + i * stride];
  });
}

template <class T>
void TinyTrainer<T>::unpack(const T* from, T* to) const {
  for_each([&](int64_t at, int64_t stride, int64_t place, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[at + i * stride] = from[place + i];
  });
}

template <class T>
int64_t TinyTrainer<T>::train(T* parameters, Optimiser<T>& optimiser, double learning_rate, uint64_t updates,
                              const LossOptions& loss, const TinyInput<T>& in, const TrainOutput& out, T* h_out) {
  T* block = blocks_.reserve(5 * size_);
  T* memories[] = {optimiser.first(), optimiser.second(), optimiser.momentum_buffer()};
  pack(parameters, block);
  std::fill_n(block + size_, size_, T(0));
  for (int i = 0; i < 3; ++i)
    if (memories[i]) pack(memories[i], block + (2 + i) * size_);

  const int64_t outputs = round_up(shape_.output_size, k_.width), hidden = shape_.hidden_size;
  T* rows = rows_.reserve(3 * padded_ + 2 * outputs);
  std::fill_n(rows, 3 * padded_ + 2 * outputs, T(0));
  if (in.h) std::copy_n(in.h, hidden, rows);
  std::fill_n(rows + 2 * padded_, hidden, T(1));

  LossContext<T> context{loss, k_, in, out, shape_.output_size, loss.targets_per_row(shape_.output_size)};
  TinyArgs<T> a{};
  a.cell = shape_.cell;
  a.inputs = shape_.input_size;
  a.hidden = hidden;
  a.outputs = shape_.output_size;
  a.padded = padded_;
  a.size = size_;
  a.bias = shape_.bias;
  a.head_bias = shape_.head_bias;
  a.p = block;
  a.g = block + size_;
  a.update = optimiser.arguments(learning_rate, updates);
  a.update.p = a.p;
  a.update.g = a.g;
  a.update.first = memories[0] ? block + 2 * size_ : nullptr;
  a.update.second = memories[1] ? block + 3 * size_ : nullptr;
  a.update.momentum_buffer = memories[2] ? block + 4 * size_ : nullptr;
  a.updates = updates;
  a.clip_value = optimiser.options().clip_value;
  a.clip_norm = optimiser.options().clip_norm;
  a.pieces = in.pieces;
  a.x = in.x;
  a.fresh = in.fresh;
  a.h = rows;
  a.lanes = rows + 2 * padded_;
  a.outputs_row = rows + 3 * padded_;
  a.d_outputs = a.outputs_row + outputs;
  a.loss = [](void* c, int64_t piece, const T* row, T* d_row) {
    return (*static_cast<LossContext<T>*>(c))(piece, row, d_row);
  };
  a.loss_context = &context;
  a.losses = out.losses;
  a.norms = out.norms;
  const int64_t trained = k_.tiny(a);

  unpack(block, parameters);
  for (int i = 0; i < 3; ++i)
    if (memories[i]) unpack(block + (2 + i) * size_, memories[i]);
  if (h_out) std::copy_n(rows, hidden, h_out);
  return trained;
}

template class TinyTrainer<float>;
template class TinyTrainer<double>;

}  // namespace elman
