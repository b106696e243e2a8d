#include "packed.h"

#include <cstring>

namespace elman {

namespace {

// Packing is worth a second thread from this many numbers on.
int packing_threads(const Team& team, int64_t numbers) { return numbers > 60000 ? team.size() : 1; }

}  // namespace

template <class T>
void Packer<T>::bias(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version) const {
  if (version == w.bias_version) return;
  w.bias_version = version;
  const int64_t hidden = shape_.hidden_size, hp = padded();
  T* bias = w.bias.zeros(shape_.gates() * hp);
  T* inner_bias = w.inner_bias.zeros(hp);
  if (!s.bias_ih) return;
  for (int gate = 0; gate < shape_.gates(); ++gate) {
    T* to = bias + shape_.facts().input_slots[gate] * hp;
    const bool inner = gate == shape_.facts().inner_bias_gate;
    for (int64_t j = 0; j < hidden; ++j) {
      to[j] = s.bias_ih[gate * hidden + j] + (inner ? T(0) : s.bias_hh[gate * hidden + j]);
      if (inner) inner_bias[j] = s.bias_hh[gate * hidden + j];
    }
  }
}

template <class T>
void Packer<T>::input(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, bool tall, Team& team) const {
  const int64_t all = shape_.gates() * vectors_, numbers = all * k_.width * s.features;
  if (!w.input.renew(version, all, panel_width(k_, all, tall), numbers)) return;
  team.share(packing_threads(team, numbers), all, 1, [&](int64_t from, int64_t to) {
    for (int64_t v = from; v < to; ++v) {
      const int64_t gate = gate_of_slot(v / vectors_), within = v % vectors_;
      const PackedColumn<T> p = packed_column(w.input.data(), w.input.panels(), v, s.features, k_.width);
      k_.pack_transposed(p.data, p.stride, s.ih + (gate * shape_.hidden_size + within * k_.width) * s.features,
                         s.features, lanes(within, shape_.hidden_size), s.features);
    }
  });
}

template <class T>
void Packer<T>::tokens(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, Team& team) const {
  const int64_t all = shape_.gates() * vectors_, stride = all * k_.width, numbers = stride * s.features;
  if (!w.input.renew(version, all, static_cast<int>(all), numbers)) return;
  team.share(packing_threads(team, numbers), all, 1, [&](int64_t from, int64_t to) {
    for (int64_t v = from; v < to; ++v) {
      const int64_t gate = gate_of_slot(v / vectors_), within = v % vectors_;
      k_.pack_transposed(w.input.data() + v * k_.width, stride,
                         s.ih + (gate * shape_.hidden_size + within * k_.width) * s.features, s.features,
                         lanes(within, shape_.hidden_size), s.features);
    }
  });
  if (s.bias_ih)
    for (int64_t token = 0; token < s.features; ++token) k_.add(w.input.data() + token * stride, w.bias.data(), stride);
}

template <class T>
void Packer<T>::recurrent(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, bool tall, Team& team) const {
  const int64_t hidden = shape_.hidden_size, gates = shape_.gates(), numbers = gates * padded() * hidden;
  if (!w.recurrent.renew(version, vectors_, hidden_panel_width(k_, gates, vectors_, tall), numbers)) return;
  const Panels<T>& panels = w.recurrent.panels();
  team.share(packing_threads(team, numbers), vectors_, 1, [&](int64_t from, int64_t to) {
    for (int64_t v = from; v < to; ++v) {
      // A panel holds its hidden vectors once for each gate: G times as many columns, gate after gate.
      const int64_t first = v / panels.per_panel * panels.per_panel, left = vectors_ - first;
      const int64_t wide = left < panels.per_panel ? left : panels.per_panel;
      for (int64_t gate = 0; gate < gates; ++gate)
        k_.pack_transposed(w.recurrent.data() + (first * gates * hidden + gate * wide + v - first) * k_.width,
                           wide * gates * k_.width, s.hh + (gate * hidden + v * k_.width) * hidden, hidden,
                           lanes(v, hidden), hidden);
    }
  });
}

template <class T>
void Packer<T>::recurrent_back(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, bool tall,
                               Team& team) const {
  const int64_t hidden = shape_.hidden_size, inner = shape_.gates() * hidden, numbers = padded() * inner;
  if (!w.recurrent_back.renew(version, vectors_, panel_width(k_, vectors_, tall), numbers)) return;
  team.share(packing_threads(team, numbers), inner, 8, [&](int64_t from, int64_t to) {
    k_.pack_rows(w.recurrent_back.data(), w.recurrent_back.panels(), inner, from, s.hh + from * hidden, hidden, hidden,
                 to - from);
  });
}

template <class T>
void Packer<T>::input_back(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, int64_t pieces,
                           Team& team) const {
  const int64_t hidden = shape_.hidden_size, inner = shape_.gates() * hidden;
  const int64_t piece = s.features / pieces, piece_vectors = (piece + k_.width - 1) / k_.width;
  const int64_t all = pieces * piece_vectors, numbers = all * k_.width * inner;
  if (!w.input_back.renew(version, all, panel_width(k_, all, false), numbers)) return;
  team.share(packing_threads(team, numbers), hidden, 8, [&](int64_t from, int64_t to) {
    for (int64_t slot = 0; slot < shape_.gates(); ++slot) {
      const T* source = s.ih + (gate_of_slot(slot) * hidden + from) * s.features;
      const int64_t place = shape_.gates() - 1 - slot;
      k_.pack_rows(w.input_back.data(), w.input_back.panels(), inner, place * hidden + from, source, s.features, piece,
                   to - from);
    }
  });
}

template class Packer<float>;
template class Packer<double>;

}  // namespace elman
