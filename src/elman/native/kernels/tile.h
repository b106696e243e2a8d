// The innermost loops: a tile of rows x vectors of a product, held in registers along the whole inner dimension.
//
// A tile has so many accumulators that the latency of a multiply-add is hidden and each loaded number is used several
// times: up to 24 of 32 registers, or 12 of 16.
#pragma once

#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace elman::ELMAN_TARGET {

inline constexpr int most_rows = 8;
inline constexpr int most_vectors = 8;

template <class T>
constexpr int tile_rows(int vectors) {
  const int fit = (Vec<T>::registers == 32 ? 24 : 12) / vectors;
  return fit < 1 ? 1 : fit > most_rows ? most_rows : fit;
}

// One step along the inner dimension: acc[i][j] += a[i] * b[j].
template <class T, int R, int V, class Row>
ELMAN_INLINE void tile_step(Vec<T> (&acc)[R][V], Row row, const T* b) {
  if constexpr (R <= V) {
    Vec<T> a[R];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) a[i] = Vec<T>::set(row(i));
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) {
      const Vec<T> column = Vec<T>::load(b + j * Vec<T>::width);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) acc[i][j] = fma(a[i], column, acc[i][j]);
    }
  } else {
    Vec<T> columns[V];
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) columns[j] = Vec<T>::load(b + j * Vec<T>::width);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const Vec<T> a = Vec<T>::set(row(i));
#pragma GCC unroll 8
      for (int j = 0; j < V; ++j) acc[i][j] = fma(a, columns[j], acc[i][j]);
    }
  }
}

template <class T, int R, int V>
ELMAN_INLINE void clear(Vec<T> (&acc)[R][V]) {
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) acc[i][j] = Vec<T>::set(T(0));
}

template <class T, int R, int V>
ELMAN_INLINE void add_tile(Vec<T> (&acc)[R][V], const T* in) {
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) acc[i][j] = acc[i][j] + Vec<T>::load(in + (i * V + j) * Vec<T>::width);
}

template <class T, int R, int V>
ELMAN_INLINE void store_tile(const Vec<T> (&acc)[R][V], T* out) {
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) acc[i][j].store(out + (i * V + j) * Vec<T>::width);
}

// out (R, V * W) = a b: row i of a begins at a + i * stride and is `segments` pieces of `length`; b is one panel.
template <class T, int R, int V>
void tile_by_rows(const T* a, int64_t stride, int64_t segments, int64_t length, int64_t segment_stride, const T* b,
                  T* out) {
  Vec<T> acc[R][V];
  clear<T, R, V>(acc);
  for (int64_t s = 0; s < segments; ++s, a += segment_stride)
    for (int64_t k = 0; k < length; ++k, b += V * Vec<T>::width)
      tile_step<T, R, V>(acc, [=](int i) { return a[i * stride + k]; }, b);
  store_tile<T, R, V>(acc, out);
}

// out (R, V * W) = the sum over k of a[k, 0..R) outer b[k, 0..V * W).
template <class T, int R, int V>
void tile_by_columns(const T* a, int64_t a_stride, const T* b, int64_t b_stride, int64_t length, T* out) {
  for (int64_t from = 0; from < length; from += chain) {
    Vec<T> acc[R][V];
    clear<T, R, V>(acc);
    const int64_t to = length - from < chain ? length : from + chain;
    for (int64_t k = from; k < to; ++k, a += a_stride, b += b_stride)
      tile_step<T, R, V>(acc, [=](int i) { return a[i]; }, b);
    if (from > 0) add_tile<T, R, V>(acc, out);
    store_tile<T, R, V>(acc, out);
  }
}

template <class T>
using RowTile = void (*)(const T*, int64_t, int64_t, int64_t, int64_t, const T*, T*);
template <class T>
using ColumnTile = void (*)(const T*, int64_t, const T*, int64_t, int64_t, T*);

// Tiles by number of rows and vectors, from 1; null where a tile would not fit the registers.
template <class T>
struct RowTiles {
  RowTile<T> of[most_rows + 1][most_vectors + 1];
};
template <class T>
struct ColumnTiles {
  ColumnTile<T> of[most_rows + 1][most_vectors + 1];
};

template <class T, int R, int V>
constexpr void add_row_tiles(RowTiles<T>& tiles) {
  if constexpr (R <= tile_rows<T>(V)) tiles.of[R][V] = &tile_by_rows<T, R, V>;
  if constexpr (V < most_vectors)
    add_row_tiles<T, R, V + 1>(tiles);
  else if constexpr (R < most_rows)
    add_row_tiles<T, R + 1, 1>(tiles);
}

template <class T, int R, int V>
constexpr void add_column_tiles(ColumnTiles<T>& tiles) {
  if constexpr (R <= tile_rows<T>(V)) tiles.of[R][V] = &tile_by_columns<T, R, V>;
  if constexpr (V < 4)
    add_column_tiles<T, R, V + 1>(tiles);
  else if constexpr (R < most_rows)
    add_column_tiles<T, R + 1, 1>(tiles);
}

template <class T>
constexpr RowTiles<T> make_row_tiles() {
  RowTiles<T> tiles{};
  add_row_tiles<T, 1, 1>(tiles);
  return tiles;
}
template <class T>
constexpr ColumnTiles<T> make_column_tiles() {
  ColumnTiles<T> tiles{};
  add_column_tiles<T, 1, 1>(tiles);
  return tiles;
}

template <class T>
inline constexpr RowTiles<T> row_tiles = make_row_tiles<T>();
template <class T>
inline constexpr ColumnTiles<T> column_tiles = make_column_tiles<T>();

// Rows [from, to) cut into tiles of nearly equal height, none higher than `most`: calls tile(first, count) for each.
template <class F>
ELMAN_INLINE void for_row_tiles(int64_t from, int64_t to, int64_t most, F tile) {
  const int64_t rows = to - from, count = (rows + most - 1) / most;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t first = from + i * rows / count, next = from + (i + 1) * rows / count;
    tile(first, next - first);
  }
}

}  // namespace elman::ELMAN_TARGET
