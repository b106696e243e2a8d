// Whole products: rows times a packed matrix, rows times few columns, and sums of outer products.
#pragma once

#include "kernels/kernels.h"
#include "kernels/tile.h"

namespace elman::ELMAN_TARGET {

// Write a tile's row to c: whole vectors, the last one cut at `columns`.
template <class T>
ELMAN_INLINE void write_row(const T* tile, const T* bias, T* c, int64_t columns, bool accumulate) {
  constexpr int W = Vec<T>::width;
  for (int64_t j = 0; j < columns; j += W) {
    Vec<T> value = Vec<T>::load(tile + j);
    if (bias) value = value + Vec<T>::load(bias + j);
    if (columns - j >= W) {
      if (accumulate) value = value + Vec<T>::load(c + j);
      value.store(c + j);
    } else {
      if (accumulate) value = value + Vec<T>::load_part(c + j, columns - j);
      value.store_part(c + j, columns - j);
    }
  }
}

template <class T>
void product(const ProductArgs<T>& p, const Part& part) {
  constexpr int W = Vec<T>::width;
  alignas(64) T tile[most_rows * most_vectors * W];
  // Where the rows of following steps lie at even distances, all steps are one run of rows: higher tiles.
  int64_t steps = part.t1 - part.t0, rows = part.n1 - part.n0;
  int64_t a_row = p.a.sequence, c_row = p.c.sequence;
  if (rows == 1) {
    a_row = p.a.step;
    c_row = p.c.step;
  }
  if (rows == 1 || (p.a.step == rows * a_row && p.c.step == rows * c_row)) {
    rows *= steps;
    steps = 1;
  }
  for (int64_t v = part.v0; v < part.v1; v += p.b.per_panel) {
    const int vectors = static_cast<int>(part.v1 - v < p.b.per_panel ? part.v1 - v : p.b.per_panel);
    const T* panel = p.b.data + v * W * p.segments * p.length;
    const int64_t left = p.columns - v * W;
    const int64_t columns = left < vectors * W ? left : vectors * W;
    for (int64_t t = 0; t < steps; ++t) {
      const T* a = p.a.at(part.t0 + t, part.n0);
      T* c = p.c.at(part.t0 + t, part.n0) + v * W;
      for_row_tiles(0, rows, tile_rows<T>(vectors), [&](int64_t first, int64_t count) {
        row_tiles<T>.of[count][vectors](a + first * a_row, a_row, p.segments, p.length, p.segment_stride, panel, tile);
        for (int64_t i = 0; i < count; ++i)
          write_row(tile + i * vectors * W, p.bias ? p.bias + v * W : nullptr, c + (first + i) * c_row, columns,
                    p.accumulate);
      });
    }
  }
}

template <class T>
void dot(const DotArgs<T>& d, const Part& part) {
  constexpr int W = Vec<T>::width;
  const int64_t inner = d.segments * d.length;
  for (int64_t t = part.t0; t < part.t1; ++t)
    for (int64_t n = part.n0; n < part.n1; ++n)
      for (int64_t o = 0; o < d.outputs; ++o) {
        Vec<T> total = Vec<T>::set(T(0));
        for (int64_t s = 0; s < d.segments; ++s) {
          const T* a = d.a.at(t, n) + s * d.segment_stride;
          const T* w = d.w + o * inner + s * d.length;
          int64_t k = 0;
          for (; k + W <= d.length; k += W) total = fma(Vec<T>::load(a + k), Vec<T>::load(w + k), total);
          if (k < d.length)
            total = fma(Vec<T>::load_part(a + k, d.length - k), Vec<T>::load_part(w + k, d.length - k), total);
        }
        d.c.at(t, n)[o] = sum(total) + (d.bias ? d.bias[o] : T(0));
      }
}

// K is cut into blocks whose packed pieces stay in the caches. Small products are not packed at all.
inline constexpr int64_t outer_block = 256;
inline constexpr int64_t outer_rows = 96;

// Whether rows of b (and of a) are copied side by side first: worth it where they are far apart and used often.
template <class T>
constexpr bool outer_packs(int64_t m, int64_t n) {
  return m >= 64 && n >= 64;
}

template <class T>
int64_t outer_work(int64_t m, int64_t n, int64_t) {
  constexpr int W = Vec<T>::width;
  return outer_packs<T>(m, n) ? outer_block * ((n + W - 1) / W * W + outer_rows + most_rows) : 0;
}

// The product of one block of K, with a and b where they are or packed: `a_tile` of row i starts at a + i * a_next.
template <class T>
void outer_panel(const T* a, int64_t a_stride, int64_t a_next, const T* b, int64_t b_stride, int vectors, int64_t k,
                 int64_t m0, int64_t m1, T* c, int64_t c_stride, int64_t columns, bool accumulate) {
  constexpr int W = Vec<T>::width;
  alignas(64) T tile[most_rows * most_vectors * W];
  const int64_t high = tile_rows<T>(vectors);
  for (int64_t m = m0; m < m1; m += high) {
    const int64_t count = m1 - m < high ? m1 - m : high;
    column_tiles<T>.of[count][vectors](a + (m - m0) * a_next, a_stride, b, b_stride, k, tile);
    for (int64_t i = 0; i < count; ++i)
      write_row<T>(tile + i * vectors * W, nullptr, c + (m + i) * c_stride, columns, accumulate);
  }
}

template <class T>
void outer(const OuterArgs<T>& o) {
  constexpr int W = Vec<T>::width;
  constexpr int wide = Vec<T>::registers == 32 ? 4 : 3;
  const int64_t all = (o.n + W - 1) / W, panels = (all + wide - 1) / wide;
  const int per_panel = static_cast<int>((all + panels - 1) / panels);
  const bool packs = o.work != nullptr;
  for (int64_t k0 = 0; k0 < o.k; k0 += outer_block) {
    const int64_t k = o.k - k0 < outer_block ? o.k - k0 : outer_block;
    const bool accumulate = o.accumulate || k0 > 0;
    const T* a = o.a + k0 * o.a_stride;
    const T* b = o.b + k0 * o.b_stride;
    T* packed_b = o.work;
    T* packed_a = packs ? o.work + outer_block * all * W : nullptr;
    if (packs)
      for (int64_t v = 0; v < all; v += per_panel) {
        const int64_t vectors = all - v < per_panel ? all - v : per_panel;
        T* panel = packed_b + v * W * k;
        for (int64_t i = 0; i < k; ++i)
          for (int64_t j = 0; j < vectors; ++j)
            Vec<T>::load(b + i * o.b_stride + (v + j) * W).store(panel + (i * vectors + j) * W);
      }
    for (int64_t m = o.m0; m < o.m1; m += outer_rows) {
      const int64_t m_end = o.m1 - m < outer_rows ? o.m1 : m + outer_rows;
      for (int64_t v = 0; v < all; v += per_panel) {
        const int vectors = static_cast<int>(all - v < per_panel ? all - v : per_panel);
        const int64_t left = o.n - v * W, columns = left < vectors * W ? left : vectors * W;
        const int64_t high = tile_rows<T>(vectors);
        if (!packs) {
          outer_panel<T>(a + m, o.a_stride, 1, b + v * W, o.b_stride, vectors, k, m, m_end, o.c + v * W, o.c_stride,
                         columns, accumulate);
          continue;
        }
        // Panels are of two widths at most, with tiles of other heights: a is packed again where the height changes.
        if (v == 0 || high != tile_rows<T>(per_panel))
          for (int64_t first = m; first < m_end; first += high) {
            const int64_t count = m_end - first < high ? m_end - first : high;
            T* to = packed_a + (first - m) * k;
            for (int64_t i = 0; i < k; ++i)
              for (int64_t r = 0; r < count; ++r) to[i * count + r] = a[i * o.a_stride + first + r];
          }
        for (int64_t first = m; first < m_end; first += high) {
          const int64_t count = m_end - first < high ? m_end - first : high;
          outer_panel<T>(packed_a + (first - m) * k, count, 0, packed_b + v * W * k, vectors * W, vectors, k, first,
                         first + count, o.c + v * W, o.c_stride, columns, accumulate);
        }
      }
    }
  }
}

}  // namespace elman::ELMAN_TARGET
