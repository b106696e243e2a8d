// Weights laid out for the kernels. Packed once for each version of the parameters and each shape of work.
#pragma once

#include "buffer.h"
#include "kernels/kernels.h"
#include "pool.h"
#include "shape.h"

namespace elman {

// Vectors in a panel: nearly equal panels, none wider than the tiles allow. A single row has registers for wider ones.
template <class T>
int panel_width(const Kernels<T>& kernels, int64_t vectors, bool tall) {
  const int64_t most = tall ? kernels.tall_panel : kernels.wide_panel;
  const int64_t panels = (vectors + most - 1) / most;
  return static_cast<int>((vectors + panels - 1) / panels);
}

// The same for hidden vectors whose gates share a panel. For a single row, panels of one vector where W_hh is somewhat
// larger than the nearest cache: of small panels, visited to and fro, more stays there from step to step. With shorter
// vectors, the three or four sums at a time of such a panel would keep the multipliers waiting.
template <class T>
int hidden_panel_width(const Kernels<T>& kernels, int64_t gates, int64_t vectors, bool tall) {
  const int64_t padded = vectors * kernels.width, size = sizeof(T);
  if (gates == 1) return panel_width(kernels, vectors, tall);
  const int64_t bytes = gates * padded * padded * size;
  const bool small = kernels.width * size == 64 && bytes > 48 * 1024 && bytes <= 256 * 1024;
  return tall && !small ? kernels.tall_panel / static_cast<int>(gates) : 1;
}

// One packed matrix and the state of things it was packed for.
template <class T>
class PackedMatrix {
 public:
  // Whether it has to be packed again; reserves room if so.
  bool renew(uint64_t version, int64_t vectors, int per_panel, int64_t numbers) {
    if (version == version_ && per_panel == panels_.per_panel) return false;
    version_ = version;
    panels_ = {memory_.reserve(numbers), vectors, per_panel};
    return true;
  }
  const Panels<T>& panels() const { return panels_; }
  T* data() { return memory_.data(); }
  int64_t bytes() const { return memory_.bytes(); }

 private:
  Buffer<T> memory_;
  Panels<T> panels_;
  uint64_t version_ = 0;
};

// One vector's column of a packed matrix: where it begins, and how far apart its rows are.
template <class T>
struct PackedColumn {
  T* data;
  int64_t stride;
};

// The column of vector v of a packed matrix with `inner` rows.
template <class T>
PackedColumn<T> packed_column(T* data, const Panels<T>& panels, int64_t v, int64_t inner, int64_t width) {
  const int64_t panel = v / panels.per_panel, first = panel * panels.per_panel;
  const int64_t left = panels.vectors - first, wide = left < panels.per_panel ? left : panels.per_panel;
  return {data + (first * inner + (v - first)) * width, wide * width};
}

// The weights of one layer in one direction.
template <class T>
struct LayerWeights {
  PackedMatrix<T> input;           // W_ih^T, columns by slot: the input projection. For tokens: a row for each token
  PackedMatrix<T> recurrent;       // W_hh^T, columns by hidden vector and gate: the step forward
  PackedMatrix<T> recurrent_back;  // W_hh: the step backward
  PackedMatrix<T> input_back;      // W_ih, rows by slot from the last: gradients of the inputs
  Buffer<T> bias;                  // of the projection, by slot: b_ih + b_hh, but for the inner gate b_ih alone
  Buffer<T> inner_bias;            // b_hh of the gate that CellFacts names as inner
  uint64_t bias_version = 0;
};

// What to pack from: one layer's parameters, in PyTorch's layout.
template <class T>
struct LayerSource {
  const T *ih, *hh, *bias_ih, *bias_hh;
  int64_t features;  // columns of ih
};

template <class T>
class Packer {
 public:
  Packer(const Shape& shape, const Kernels<T>& kernels)
      : shape_(shape), k_(kernels), vectors_((shape.hidden_size + kernels.width - 1) / kernels.width) {}

  int64_t hidden_vectors() const { return vectors_; }
  int64_t padded() const { return vectors_ * k_.width; }

  void bias(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version) const;
  void input(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, bool tall, Team& team) const;
  void tokens(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, Team& team) const;
  void recurrent(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, bool tall, Team& team) const;
  void recurrent_back(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, bool tall, Team& team) const;
  // pieces: the inputs are this many padded rows of `features / pieces` side by side (layers above the first).
  void input_back(LayerWeights<T>& w, const LayerSource<T>& s, uint64_t version, int64_t pieces, Team& team) const;

 private:
  int64_t lanes(int64_t vector, int64_t columns) const {
    const int64_t left = columns - vector * k_.width;
    return left < k_.width ? left : k_.width;
  }
  int gate_of_slot(int64_t slot) const { return shape_.facts().gate_of_input_slot(slot); }

  const Shape& shape_;
  const Kernels<T>& k_;
  int64_t vectors_;
};

}  // namespace elman
