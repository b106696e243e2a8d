#include "head.h"

#include <algorithm>

namespace elman {

template <class T>
Head<T>::Head(const Shape& shape, const Layout& layout, const Kernels<T>& kernels)
    : shape_(shape),
      layout_(layout),
      k_(kernels),
      hidden_vectors_((shape.hidden_size + kernels.width - 1) / kernels.width) {}

// Rule: with vectors along the outputs, a row costs one multiply-add for each feature and vector of outputs; along the
// features, one for each vector of features and output, and about ten more to add up its lanes.
template <class T>
bool Head<T>::few_outputs() const {
  const int64_t along_outputs = features() * ((shape_.output_size + k_.width - 1) / k_.width);
  return shape_.output_size * (features() / k_.width + 10) < along_outputs;
}

template <class T>
void Head<T>::forward(const T* parameters, uint64_t version, Rows<const T> top, Rows<T> outputs, int64_t steps,
                      int64_t count, Team& team) {
  const T* w = parameters + layout_.head;
  const T* b = layout_.head_bias < 0 ? nullptr : parameters + layout_.head_bias;
  const int64_t hidden = shape_.hidden_size, hp = hidden_vectors_ * k_.width, out = shape_.output_size;
  const double flops = 2.0 * static_cast<double>(steps * count) * static_cast<double>(features() * out);
  const int parts = flops > 4e5 ? 2 * team.size() : 1;
  const auto over_rows = [&](auto&& work) {
    if (steps >= parts)
      team.share(parts, steps, 1, [&](int64_t t0, int64_t t1) { work(Part{t0, t1, 0, count, 0, 0}); });
    else
      team.share(parts, count, 1, [&](int64_t n0, int64_t n1) { work(Part{0, steps, n0, n1, 0, 0}); });
  };
  if (few_outputs()) {
    over_rows([&](const Part& part) {
      k_.dot({.a = top,
              .segments = shape_.directions,
              .length = hidden,
              .segment_stride = hp,
              .w = w,
              .bias = b,
              .c = outputs,
              .outputs = out},
             part);
    });
    return;
  }
  const int64_t vectors = padded_outputs() / k_.width;
  if (weights_.renew(version, vectors, panel_width(k_, vectors, steps * count == 1), vectors * k_.width * features())) {
    for (int64_t v = 0; v < vectors; ++v) {
      const PackedColumn<T> p = packed_column(weights_.data(), weights_.panels(), v, features(), k_.width);
      k_.pack_transposed(p.data, p.stride, w + v * k_.width * features(), features(),
                         std::min<int64_t>(k_.width, out - v * k_.width), features());
    }
    T* bias = bias_.zeros(vectors * k_.width);
    if (b) std::copy_n(b, out, bias);
  }
  const ProductArgs<T> product{.a = top,
                               .segments = shape_.directions,
                               .length = hidden,
                               .segment_stride = hp,
                               .b = weights_.panels(),
                               .bias = bias_.data(),
                               .c = outputs,
                               .columns = out,
                               .accumulate = false};
  over_rows([&](Part part) {
    part.v1 = vectors;
    k_.product(product, part);
  });
}

template <class T>
void Head<T>::backward(const T* parameters, uint64_t version, Rows<const T> top, const T* d_outputs, T* d_top,
                       T* d_parameters, int64_t steps, int64_t count, Team& team) {
  const int64_t hidden = shape_.hidden_size, hp = hidden_vectors_ * k_.width, wide = shape_.directions * hp;
  const int64_t out = shape_.output_size, rows = steps * count, stride_out = padded_outputs();
  const int64_t vectors = shape_.directions * hidden_vectors_;
  const double flops = 2.0 * static_cast<double>(rows) * static_cast<double>(features() * out);
  const int parts = flops > 4e5 ? team.size() : 1;
  if (weights_back_.renew(version, vectors, panel_width(k_, vectors, rows == 1), vectors * k_.width * out))
    k_.pack_rows(weights_back_.data(), weights_back_.panels(), out, 0, parameters + layout_.head, features(), hidden,
                 out);
  const ProductArgs<T> product{.a = {d_outputs, 0, stride_out},
                               .segments = 1,
                               .length = out,
                               .segment_stride = 0,
                               .b = weights_back_.panels(),
                               .bias = nullptr,
                               .c = {d_top, 0, wide},
                               .columns = wide,
                               .accumulate = false};
  team.share(parts, rows, 8, [&](int64_t n0, int64_t n1) { k_.product(product, {0, 1, n0, n1, 0, vectors}); });

  const int64_t work = k_.outer_work(out, hidden, rows);
  T* room = work_.reserve(stride_out + parts * work);
  team.run(parts, [&](int part, int all) {
    const int64_t tiles = (out + 7) / 8;
    const int64_t m0 = std::min(out, tiles * part / all * 8), m1 = std::min(out, tiles * (part + 1) / all * 8);
    for (int64_t d = 0; d < shape_.directions && m0 < m1; ++d)
      k_.outer({.a = d_outputs,
                .a_stride = stride_out,
                .b = top.data + d * hp,
                .b_stride = top.sequence,
                .c = d_parameters + layout_.head + d * hidden,
                .c_stride = features(),
                .n = hidden,
                .k = rows,
                .accumulate = false,
                .m0 = m0,
                .m1 = m1,
                .work = work ? room + stride_out + part * work : nullptr});
  });
  if (layout_.head_bias >= 0) {
    k_.column_sums(d_outputs, stride_out, rows, room, 0, stride_out / k_.width);
    std::copy_n(room, out, d_parameters + layout_.head_bias);
  }
}

template class Head<float>;
template class Head<double>;

}  // namespace elman
