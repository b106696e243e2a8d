// AVX-512 (F, DQ, VL, BW): 16 floats or 8 doubles, 32 registers. See simd.h for the rules.
#include <immintrin.h>

namespace elman::ELMAN_TARGET {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  static constexpr int width = 16;
  static constexpr int registers = 32;
  using Mask = __mmask16;
  __m512 v;

  static ELMAN_INLINE Vec set(float x) { return {_mm512_set1_ps(x)}; }
  static ELMAN_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static ELMAN_INLINE Vec load_part(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
  ELMAN_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  ELMAN_INLINE void store_part(float* p, int64_t n) const { _mm512_mask_storeu_ps(p, first(n), v); }
  static ELMAN_INLINE Mask first(int64_t n) { return static_cast<Mask>((1u << n) - 1u); }
};

template <>
struct Vec<double> {
  static constexpr int width = 8;
  static constexpr int registers = 32;
  using Mask = __mmask8;
  __m512d v;

  static ELMAN_INLINE Vec set(double x) { return {_mm512_set1_pd(x)}; }
  static ELMAN_INLINE Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static ELMAN_INLINE Vec load_part(const double* p, int64_t n) { return {_mm512_maskz_loadu_pd(first(n), p)}; }
  ELMAN_INLINE void store(double* p) const { _mm512_storeu_pd(p, v); }
  ELMAN_INLINE void store_part(double* p, int64_t n) const { _mm512_mask_storeu_pd(p, first(n), v); }
  static ELMAN_INLINE Mask first(int64_t n) { return static_cast<Mask>((1u << n) - 1u); }
};

using VecF = Vec<float>;
using VecD = Vec<double>;

ELMAN_INLINE VecF operator+(VecF a, VecF b) { return {_mm512_add_ps(a.v, b.v)}; }
ELMAN_INLINE VecF operator-(VecF a, VecF b) { return {_mm512_sub_ps(a.v, b.v)}; }
ELMAN_INLINE VecF operator*(VecF a, VecF b) { return {_mm512_mul_ps(a.v, b.v)}; }
ELMAN_INLINE VecF operator/(VecF a, VecF b) { return {_mm512_div_ps(a.v, b.v)}; }
ELMAN_INLINE VecF fma(VecF a, VecF b, VecF c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
ELMAN_INLINE VecF max(VecF a, VecF b) { return {_mm512_max_ps(a.v, b.v)}; }
ELMAN_INLINE VecF min(VecF a, VecF b) { return {_mm512_min_ps(a.v, b.v)}; }
ELMAN_INLINE VecF sqrt(VecF a) { return {_mm512_sqrt_ps(a.v)}; }
ELMAN_INLINE VecF abs(VecF a) { return {_mm512_abs_ps(a.v)}; }
ELMAN_INLINE VecF minus_abs(VecF a) { return {_mm512_or_ps(a.v, _mm512_set1_ps(-0.0f))}; }
ELMAN_INLINE VecF with_sign(VecF size, VecF sign) {
  return {_mm512_or_ps(size.v, _mm512_and_ps(sign.v, _mm512_set1_ps(-0.0f)))};
}
ELMAN_INLINE VecF::Mask operator<(VecF a, VecF b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
ELMAN_INLINE VecF::Mask operator>=(VecF a, VecF b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ); }
ELMAN_INLINE VecF select(__mmask16 m, VecF yes, VecF no) { return {_mm512_mask_blend_ps(m, no.v, yes.v)}; }
ELMAN_INLINE VecF round(VecF a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
ELMAN_INLINE VecF times_power_of_two(VecF a, VecF n) { return {_mm512_scalef_ps(a.v, n.v)}; }
ELMAN_INLINE float sum(VecF a) { return _mm512_reduce_add_ps(a.v); }

ELMAN_INLINE VecD operator+(VecD a, VecD b) { return {_mm512_add_pd(a.v, b.v)}; }
ELMAN_INLINE VecD operator-(VecD a, VecD b) { return {_mm512_sub_pd(a.v, b.v)}; }
ELMAN_INLINE VecD operator*(VecD a, VecD b) { return {_mm512_mul_pd(a.v, b.v)}; }
ELMAN_INLINE VecD operator/(VecD a, VecD b) { return {_mm512_div_pd(a.v, b.v)}; }
ELMAN_INLINE VecD fma(VecD a, VecD b, VecD c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
ELMAN_INLINE VecD max(VecD a, VecD b) { return {_mm512_max_pd(a.v, b.v)}; }
ELMAN_INLINE VecD min(VecD a, VecD b) { return {_mm512_min_pd(a.v, b.v)}; }
ELMAN_INLINE VecD sqrt(VecD a) { return {_mm512_sqrt_pd(a.v)}; }
ELMAN_INLINE VecD abs(VecD a) { return {_mm512_abs_pd(a.v)}; }
ELMAN_INLINE VecD minus_abs(VecD a) { return {_mm512_or_pd(a.v, _mm512_set1_pd(-0.0))}; }
ELMAN_INLINE VecD with_sign(VecD size, VecD sign) {
  return {_mm512_or_pd(size.v, _mm512_and_pd(sign.v, _mm512_set1_pd(-0.0)))};
}
ELMAN_INLINE VecD::Mask operator<(VecD a, VecD b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ); }
ELMAN_INLINE VecD::Mask operator>=(VecD a, VecD b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_GE_OQ); }
ELMAN_INLINE VecD select(__mmask8 m, VecD yes, VecD no) { return {_mm512_mask_blend_pd(m, no.v, yes.v)}; }
ELMAN_INLINE VecD round(VecD a) { return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
ELMAN_INLINE VecD times_power_of_two(VecD a, VecD n) { return {_mm512_scalef_pd(a.v, n.v)}; }
ELMAN_INLINE double sum(VecD a) { return _mm512_reduce_add_pd(a.v); }

// total + the squares of a, added up in double.
ELMAN_INLINE VecD add_squares(VecD total, VecF a) {
  VecD low{_mm512_cvtps_pd(_mm512_castps512_ps256(a.v))};
  VecD high{_mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1))};
  return fma(high, high, fma(low, low, total));
}
ELMAN_INLINE VecD add_squares(VecD total, VecD a) { return fma(a, a, total); }

// Rows of a square block become its columns.
ELMAN_INLINE void transpose(VecF (&r)[16]) {
  __m512 pairs[16], quads[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
    pairs[i + 1] = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const __m512d low = _mm512_castps_pd(pairs[i + j]), high = _mm512_castps_pd(pairs[i + 2 + j]);
      quads[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      quads[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // columns i, i + 4, i + 8, i + 12 of the result, 128 bits of each row at a time
    const __m512 a = _mm512_shuffle_f32x4(quads[i], quads[i + 4], 0x88),
                 b = _mm512_shuffle_f32x4(quads[i], quads[i + 4], 0xdd);
    const __m512 c = _mm512_shuffle_f32x4(quads[i + 8], quads[i + 12], 0x88);
    const __m512 d = _mm512_shuffle_f32x4(quads[i + 8], quads[i + 12], 0xdd);
    r[i] = {_mm512_shuffle_f32x4(a, c, 0x88)};
    r[i + 8] = {_mm512_shuffle_f32x4(a, c, 0xdd)};
    r[i + 4] = {_mm512_shuffle_f32x4(b, d, 0x88)};
    r[i + 12] = {_mm512_shuffle_f32x4(b, d, 0xdd)};
  }
}
ELMAN_INLINE void transpose(VecD (&r)[8]) {
  __m512d pairs[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm512_unpacklo_pd(r[i].v, r[i + 1].v);
    pairs[i + 1] = _mm512_unpackhi_pd(r[i].v, r[i + 1].v);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {  // columns i, i + 2, i + 4, i + 6 of the result, 128 bits of each row at a time
    const __m512d a = _mm512_shuffle_f64x2(pairs[i], pairs[i + 2], 0x88),
                  b = _mm512_shuffle_f64x2(pairs[i], pairs[i + 2], 0xdd);
    const __m512d c = _mm512_shuffle_f64x2(pairs[i + 4], pairs[i + 6], 0x88);
    const __m512d d = _mm512_shuffle_f64x2(pairs[i + 4], pairs[i + 6], 0xdd);
    r[i] = {_mm512_shuffle_f64x2(a, c, 0x88)};
    r[i + 4] = {_mm512_shuffle_f64x2(a, c, 0xdd)};
    r[i + 2] = {_mm512_shuffle_f64x2(b, d, 0x88)};
    r[i + 6] = {_mm512_shuffle_f64x2(b, d, 0xdd)};
  }
}

}  // namespace elman::ELMAN_TARGET
