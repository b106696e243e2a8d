#include "losses.h"

#include <algorithm>
#include <cmath>

namespace elman {

namespace {

constexpr double variance_floor = 1e-6;

// One row of outputs: adds its value to `total` and writes its gradient, times `scale`.
template <class T>
double elementwise_row(const LossOptions& loss, const T* out, const T* target, int64_t size, T scale, T* gradient) {
  double total = 0;
  const T delta = static_cast<T>(loss.delta);
  for (int64_t i = 0; i < size; ++i) {
    const T e = out[i] - target[i];
    const T sign = e > 0 ? T(1) : e < 0 ? T(-1) : e;  // not-a-number stays what it is
    T value = 0, slope = 0;
    switch (loss.kind) {
      case LossKind::mse: value = e * e, slope = 2 * e; break;
      case LossKind::half_mse: value = e * e / 2, slope = e; break;
      case LossKind::mae: value = std::abs(e), slope = sign; break;
      default: {
        const bool small = std::abs(e) <= delta;
        value = small ? e * e / 2 : delta * (std::abs(e) - delta / 2);
        slope = small ? e : delta * sign;
      }
    }
    total += static_cast<double>(value);
    if (gradient) gradient[i] = slope * scale;
  }
  return total;
}

template <class T>
double quantile_row(const LossOptions& loss, const T* out, const T* target, int64_t size, T scale, T* gradient) {
  double total = 0;
  const int64_t levels = static_cast<int64_t>(loss.quantiles.size());
  for (int64_t i = 0; i < size; ++i) {
    const T q = static_cast<T>(loss.quantiles[static_cast<std::size_t>(i % levels)]);
    const T e = target[i / levels] - out[i], above = q * e, below = (q - 1) * e;
    total += static_cast<double>(above > below || above != above ? above : below);
    if (gradient) gradient[i] = (e > 0 ? -q : e < 0 ? 1 - q : T(0)) * scale;
  }
  return total;
}

// size / 2 means, then as many numbers whose softplus is the variance.
template <class T>
double gaussian_row(const T* out, const T* target, int64_t size, T scale, T* gradient) {
  double total = 0;
  const int64_t half = size / 2;
  for (int64_t i = 0; i < half; ++i) {
    const T raw = out[half + i], tail = std::exp(-std::abs(raw));
    const T variance =
        std::max(raw, T(0)) + std::log1p(tail) + static_cast<T>(variance_floor) + (raw != raw ? raw : T(0));
    const T e = out[i] - target[i];
    total += static_cast<double>((std::log(variance) + e * e / variance) / 2);
    if (gradient) {
      const T slope = (raw >= 0 ? T(1) : tail) / (1 + tail);
      gradient[i] = e / variance * scale;
      gradient[half + i] = (1 - e * e / variance) / (2 * variance) * slope * scale;
    }
  }
  return total;
}

// `room` is where the probabilities go: the gradient's row, or a scratch row.
template <class T>
double cross_entropy_row(const LossOptions& loss, const Kernels<T>& kernels, const T* logits, int64_t target,
                         int64_t size, double scale, T* room, bool with_gradient) {
  const SoftmaxResult softmax = kernels.softmax(logits, room, size);
  const T weight =
      loss.class_weights.empty() ? T(1) : static_cast<T>(loss.class_weights[static_cast<std::size_t>(target)]);
  const T shifted = logits[target] - static_cast<T>(softmax.largest);
  const T nll = (static_cast<T>(softmax.log_total) - shifted) * weight;
  if (with_gradient) {
    room[target] -= 1;
    kernels.scale(room, weight * static_cast<T>(scale), size);
  }
  return static_cast<double>(nll);
}

}  // namespace

template <class T>
double loss_row(const LossOptions& loss, const Kernels<T>& kernels, const T* outputs, const T* values, int64_t target,
                int64_t output_size, double scale, T* room, bool with_gradient) {
  const T factor = static_cast<T>(scale);
  T* gradient = with_gradient ? room : nullptr;
  switch (loss.kind) {
    case LossKind::cross_entropy:
      return cross_entropy_row(loss, kernels, outputs, target, output_size, scale, room, with_gradient);
    case LossKind::quantile: return quantile_row(loss, outputs, values, output_size, factor, gradient);
    case LossKind::gaussian: return gaussian_row(outputs, values, output_size, factor, gradient);
    default: return elementwise_row(loss, outputs, values, output_size, factor, gradient);
  }
}

template <class T>
LossValue evaluate_loss(const LossOptions& loss, const Kernels<T>& kernels, const LossInput<T>& in,
                        Buffer<double>& totals, Team& team) {
  const int64_t size = in.output_size, per_row = loss.targets_per_row(size);
  const bool classes = loss.kind == LossKind::cross_entropy;
  const auto counts = [&](int64_t t, int64_t n) {
    return (!in.lengths || t < in.lengths[n]) && (!classes || in.classes[n * in.steps + t] != loss.ignore_index);
  };

  LossValue result;
  for (int64_t t = 0; t < in.steps; ++t)
    for (int64_t n = 0; n < in.count; ++n)
      if (counts(t, n)) {
        ++result.scored;
        result.weight += classes && !loss.class_weights.empty()
                             ? loss.class_weights[static_cast<std::size_t>(in.classes[n * in.steps + t])]
                             : 1.0;
      }
  if (!classes) result.weight *= static_cast<double>(loss.kind == LossKind::gaussian ? per_row : size);
  const double divisor = loss.mean ? result.weight : 1.0;
  const double scale = divisor != 0 ? 1.0 / divisor : 0.0;

  // Sums are formed step by step and then in the order of the steps: the same for any number of threads. After the
  // sums comes a row of probabilities for each step, used where no gradient is wanted.
  const int64_t scratch = classes && !in.gradient.data ? (size * static_cast<int64_t>(sizeof(T)) + 7) / 8 : 0;
  double* sums = totals.reserve(in.steps * (2 + scratch));
  double* corrects = sums + in.steps;
  T* rooms = reinterpret_cast<T*>(corrects + in.steps);
  const int parts = in.steps * in.count * size > 30000 ? team.size() : 1;
  team.share(parts, in.steps, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      double total = 0;
      int64_t correct = 0;
      for (int64_t n = 0; n < in.count; ++n) {
        const int64_t at = n * in.steps + t;
        const T* out = in.outputs.at(t, n);
        T* gradient = in.gradient.data ? in.gradient.at(t, n) : nullptr;
        if (!counts(t, n)) {
          if (gradient) std::fill_n(gradient, size, T(0));
          continue;
        }
        T* room = gradient ? gradient : rooms + t * scratch * 8 / static_cast<int64_t>(sizeof(T));
        total += loss_row(loss, kernels, out, classes ? nullptr : in.values + at * per_row,
                          classes ? in.classes[at] : 0, size, scale, room, gradient != nullptr);
        if (classes) correct += std::max_element(out, out + size) - out == in.classes[at];
      }
      sums[t] = total;
      corrects[t] = static_cast<double>(correct);
    }
  });
  double total = 0, correct = 0;
  for (int64_t t = 0; t < in.steps; ++t) {
    total += sums[t];
    correct += corrects[t];
  }
  result.value = total * scale;
  result.correct = static_cast<int64_t>(correct);
  return result;
}

template double loss_row<float>(const LossOptions&, const Kernels<float>&, const float*, const float*, int64_t, int64_t,
                                double, float*, bool);
template double loss_row<double>(const LossOptions&, const Kernels<double>&, const double*, const double*, int64_t,
                                 int64_t, double, double*, bool);
template LossValue evaluate_loss<float>(const LossOptions&, const Kernels<float>&, const LossInput<float>&,
                                        Buffer<double>&, Team&);
template LossValue evaluate_loss<double>(const LossOptions&, const Kernels<double>&, const LossInput<double>&,
                                         Buffer<double>&, Team&);

}  // namespace elman
