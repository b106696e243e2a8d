#include "optimisers.h"

#include <algorithm>
#include <cmath>

namespace elman {

namespace {

constexpr int64_t block = 8192;  // of a sum of squares; fixed, so that its bits are

// A second thread is worth waking from here on.
int threads_for(const Team& team, int64_t size) { return size > 60000 ? team.size() : 1; }

}  // namespace

template <class T>
Optimiser<T>::Optimiser(const OptimiserOptions& options, const Kernels<T>& kernels, int64_t size)
    : options_(options), k_(kernels), size_(size) {
  if (options.has_first()) first_.zeros(size);
  if (options.has_second()) second_.zeros(size);
  if (options.has_momentum()) momentum_buffer_.zeros(size);
}

template <class T>
T* Optimiser<T>::memory(OptimiserMemory which) {
  const bool adam = options_.has_first();
  switch (which) {
    case OptimiserMemory::exp_avg: return first();
    case OptimiserMemory::exp_avg_sq: return adam ? second() : nullptr;
    case OptimiserMemory::square_avg: return adam ? nullptr : second();
    case OptimiserMemory::momentum_buffer: return momentum_buffer();
  }
  return nullptr;
}

template <class T>
double Optimiser<T>::norm(const T* gradients, Team& team) {
  if (size_ <= block) return std::sqrt(k_.sum_of_squares(gradients, size_));
  const int64_t blocks = (size_ + block - 1) / block;
  double* partials = partials_.reserve(blocks);
  team.share(threads_for(team, size_), blocks, 1, [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b)
      partials[b] = k_.sum_of_squares(gradients + b * block, std::min(block, size_ - b * block));
  });
  double total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += partials[b];
  return std::sqrt(total);
}

template <class T>
double Optimiser<T>::clip(T* gradients, Team& team) {
  const double before = norm(gradients, team);
  double now = before;
  if (options_.clip_value > 0) {
    k_.clip(gradients, static_cast<T>(options_.clip_value), size_);
    if (options_.clip_norm > 0) now = norm(gradients, team);
  }
  if (options_.clip_norm > 0) {
    const double factor = options_.clip_norm / (now + 1e-6);
    if (factor < 1) k_.scale(gradients, static_cast<T>(factor), size_);
  }
  return before;
}

template <class T>
UpdateArgs<T> Optimiser<T>::arguments(double learning_rate, uint64_t updates) {
  UpdateArgs<T> u{};
  u.kind = options_.kind;
  u.first = first();
  u.second = second();
  u.momentum_buffer = momentum_buffer();
  u.learning_rate = learning_rate;
  u.momentum = options_.momentum;
  u.weight_decay = options_.weight_decay;
  u.beta1 = options_.beta1;
  u.beta2 = options_.beta2;
  u.eps = options_.eps;
  u.alpha = options_.alpha;
  u.nesterov = options_.nesterov;
  const double t = static_cast<double>(updates + 1);
  u.correction1 = options_.has_first() ? 1 - std::pow(options_.beta1, t) : 1;
  u.correction2 = options_.has_first() ? 1 - std::pow(options_.beta2, t) : 1;
  return u;
}

template <class T>
void Optimiser<T>::update(T* parameters, const T* gradients, double learning_rate, uint64_t updates, Team& team) {
  UpdateArgs<T> u = arguments(learning_rate, updates);
  u.p = parameters;
  u.g = gradients;
  team.share(threads_for(team, size_), size_, 64, [&](int64_t from, int64_t to) { k_.update(u, from, to); });
}

template class Optimiser<float>;
template class Optimiser<double>;

}  // namespace elman
