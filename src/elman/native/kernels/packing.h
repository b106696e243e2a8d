// Matrices laid out in panels, as the tiles read them.
#pragma once

#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace elman::ELMAN_TARGET {

template <class T>
void pack_transposed(T* dst, int64_t stride, const T* source, int64_t ld, int64_t count, int64_t k) {
  constexpr int W = Vec<T>::width;
  int64_t column = 0;
  for (; column + W <= k; column += W) {
    Vec<T> block[W];
    for (int i = 0; i < W; ++i) block[i] = i < count ? Vec<T>::load(source + i * ld + column) : Vec<T>::set(T(0));
    transpose(block);
    for (int i = 0; i < W; ++i) block[i].store(dst + (column + i) * stride);
  }
  for (int64_t lane = 0; lane < W; ++lane)
    for (int64_t i = column; i < k; ++i) dst[i * stride + lane] = lane < count ? source[lane * ld + i] : T(0);
}

// Row by row, so that the source is read as it lies in memory.
template <class T>
void pack_rows(T* dst, const Panels<T>& panels, int64_t inner, int64_t to, const T* source, int64_t ld, int64_t piece,
               int64_t count) {
  constexpr int W = Vec<T>::width;
  for (int64_t k = 0; k < count; ++k) {
    const T* row = source + k * ld;
    int64_t left = piece;
    for (int64_t first = 0; first < panels.vectors; first += panels.per_panel) {
      const int64_t wide = panels.vectors - first < panels.per_panel ? panels.vectors - first : panels.per_panel;
      T* place = dst + (first * inner + (to + k) * wide) * W;
      for (int64_t v = 0; v < wide; ++v, place += W) {
        if (left > W) {
          Vec<T>::load(row).store(place);
          row += W;
          left -= W;
        } else {
          Vec<T>::load_part(row, left).store(place);
          row += left;
          left = piece;
        }
      }
    }
  }
}

}  // namespace elman::ELMAN_TARGET
