// AVX2 with FMA: 8 floats or 4 doubles, 16 registers. See simd.h for the rules.
#include <immintrin.h>

namespace elman::ELMAN_TARGET {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  static constexpr int width = 8;
  static constexpr int registers = 16;
  struct Mask {
    __m256 m;
  };
  __m256 v;

  static ELMAN_INLINE Vec set(float x) { return {_mm256_set1_ps(x)}; }
  static ELMAN_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static ELMAN_INLINE Vec load_part(const float* p, int64_t n) { return {_mm256_maskload_ps(p, first(n))}; }
  ELMAN_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  ELMAN_INLINE void store_part(float* p, int64_t n) const { _mm256_maskstore_ps(p, first(n), v); }
  static ELMAN_INLINE __m256i first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

template <>
struct Vec<double> {
  static constexpr int width = 4;
  static constexpr int registers = 16;
  struct Mask {
    __m256d m;
  };
  __m256d v;

  static ELMAN_INLINE Vec set(double x) { return {_mm256_set1_pd(x)}; }
  static ELMAN_INLINE Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static ELMAN_INLINE Vec load_part(const double* p, int64_t n) { return {_mm256_maskload_pd(p, first(n))}; }
  ELMAN_INLINE void store(double* p) const { _mm256_storeu_pd(p, v); }
  ELMAN_INLINE void store_part(double* p, int64_t n) const { _mm256_maskstore_pd(p, first(n), v); }
  static ELMAN_INLINE __m256i first(int64_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
};

using VecF = Vec<float>;
using VecD = Vec<double>;

ELMAN_INLINE VecF operator+(VecF a, VecF b) { return {_mm256_add_ps(a.v, b.v)}; }
ELMAN_INLINE VecF operator-(VecF a, VecF b) { return {_mm256_sub_ps(a.v, b.v)}; }
ELMAN_INLINE VecF operator*(VecF a, VecF b) { return {_mm256_mul_ps(a.v, b.v)}; }
ELMAN_INLINE VecF operator/(VecF a, VecF b) { return {_mm256_div_ps(a.v, b.v)}; }
ELMAN_INLINE VecF fma(VecF a, VecF b, VecF c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
ELMAN_INLINE VecF max(VecF a, VecF b) { return {_mm256_max_ps(a.v, b.v)}; }
ELMAN_INLINE VecF min(VecF a, VecF b) { return {_mm256_min_ps(a.v, b.v)}; }
ELMAN_INLINE VecF sqrt(VecF a) { return {_mm256_sqrt_ps(a.v)}; }
ELMAN_INLINE VecF abs(VecF a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
ELMAN_INLINE VecF minus_abs(VecF a) { return {_mm256_or_ps(a.v, _mm256_set1_ps(-0.0f))}; }
ELMAN_INLINE VecF with_sign(VecF size, VecF sign) {
  return {_mm256_or_ps(size.v, _mm256_and_ps(sign.v, _mm256_set1_ps(-0.0f)))};
}
ELMAN_INLINE VecF::Mask operator<(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
ELMAN_INLINE VecF::Mask operator>=(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
ELMAN_INLINE VecF select(VecF::Mask m, VecF yes, VecF no) { return {_mm256_blendv_ps(no.v, yes.v, m.m)}; }
ELMAN_INLINE VecF round(VecF a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
ELMAN_INLINE VecF times_power_of_two(VecF a, VecF n) {
  __m256i bits = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
  const VecF power{_mm256_castsi256_ps(_mm256_slli_epi32(bits, 23))};
  return select(n < VecF::set(-126.0f), VecF::set(0), a * power);
}
ELMAN_INLINE float sum(VecF a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

ELMAN_INLINE VecD operator+(VecD a, VecD b) { return {_mm256_add_pd(a.v, b.v)}; }
ELMAN_INLINE VecD operator-(VecD a, VecD b) { return {_mm256_sub_pd(a.v, b.v)}; }
ELMAN_INLINE VecD operator*(VecD a, VecD b) { return {_mm256_mul_pd(a.v, b.v)}; }
ELMAN_INLINE VecD operator/(VecD a, VecD b) { return {_mm256_div_pd(a.v, b.v)}; }
ELMAN_INLINE VecD fma(VecD a, VecD b, VecD c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
ELMAN_INLINE VecD max(VecD a, VecD b) { return {_mm256_max_pd(a.v, b.v)}; }
ELMAN_INLINE VecD min(VecD a, VecD b) { return {_mm256_min_pd(a.v, b.v)}; }
ELMAN_INLINE VecD sqrt(VecD a) { return {_mm256_sqrt_pd(a.v)}; }
ELMAN_INLINE VecD abs(VecD a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
ELMAN_INLINE VecD minus_abs(VecD a) { return {_mm256_or_pd(a.v, _mm256_set1_pd(-0.0))}; }
ELMAN_INLINE VecD with_sign(VecD size, VecD sign) {
  return {_mm256_or_pd(size.v, _mm256_and_pd(sign.v, _mm256_set1_pd(-0.0)))};
}
ELMAN_INLINE VecD::Mask operator<(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ)}; }
ELMAN_INLINE VecD::Mask operator>=(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_GE_OQ)}; }
ELMAN_INLINE VecD select(VecD::Mask m, VecD yes, VecD no) { return {_mm256_blendv_pd(no.v, yes.v, m.m)}; }
ELMAN_INLINE VecD round(VecD a) { return {_mm256_round_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
ELMAN_INLINE VecD times_power_of_two(VecD a, VecD n) {
  __m256i bits = _mm256_cvtepi32_epi64(_mm_add_epi32(_mm256_cvtpd_epi32(n.v), _mm_set1_epi32(1023)));
  const VecD power{_mm256_castsi256_pd(_mm256_slli_epi64(bits, 52))};
  return select(n < VecD::set(-1022.0), VecD::set(0), a * power);
}
ELMAN_INLINE double sum(VecD a) {
  __m128d s = _mm_add_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

// total + the squares of a, added up in double.
ELMAN_INLINE VecD add_squares(VecD total, VecF a) {
  VecD low{_mm256_cvtps_pd(_mm256_castps256_ps128(a.v))};
  VecD high{_mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1))};
  return fma(high, high, fma(low, low, total));
}
ELMAN_INLINE VecD add_squares(VecD total, VecD a) { return fma(a, a, total); }

// Rows of a square block become its columns.
ELMAN_INLINE void transpose(VecF (&r)[8]) {
  __m256 pairs[8], quads[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
    pairs[i + 1] = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    quads[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    quads[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    quads[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    quads[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = {_mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20)};
    r[i + 4] = {_mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31)};
  }
}
ELMAN_INLINE void transpose(VecD (&r)[4]) {
  const __m256d a = _mm256_unpacklo_pd(r[0].v, r[1].v), b = _mm256_unpackhi_pd(r[0].v, r[1].v);
  const __m256d c = _mm256_unpacklo_pd(r[2].v, r[3].v), d = _mm256_unpackhi_pd(r[2].v, r[3].v);
  r[0] = {_mm256_permute2f128_pd(a, c, 0x20)};
  r[1] = {_mm256_permute2f128_pd(b, d, 0x20)};
  r[2] = {_mm256_permute2f128_pd(a, c, 0x31)};
  r[3] = {_mm256_permute2f128_pd(b, d, 0x31)};
}

}  // namespace elman::ELMAN_TARGET
