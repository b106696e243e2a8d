// 64-bit ARM: 4 floats or 2 doubles, 32 registers. See simd.h for the rules.
#include <arm_neon.h>

namespace elman::ELMAN_TARGET {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  static constexpr int width = 4;
  static constexpr int registers = 32;
  struct Mask {
    uint32x4_t m;
  };
  float32x4_t v;

  static ELMAN_INLINE Vec set(float x) { return {vdupq_n_f32(x)}; }
  static ELMAN_INLINE Vec load(const float* p) { return {vld1q_f32(p)}; }
  static ELMAN_INLINE Vec load_part(const float* p, int64_t n) {
    float lanes[width] = {};
    for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
    return load(lanes);
  }
  ELMAN_INLINE void store(float* p) const { vst1q_f32(p, v); }
  ELMAN_INLINE void store_part(float* p, int64_t n) const {
    float lanes[width];
    store(lanes);
    for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
  }
};

template <>
struct Vec<double> {
  static constexpr int width = 2;
  static constexpr int registers = 32;
  struct Mask {
    uint64x2_t m;
  };
  float64x2_t v;

  static ELMAN_INLINE Vec set(double x) { return {vdupq_n_f64(x)}; }
  static ELMAN_INLINE Vec load(const double* p) { return {vld1q_f64(p)}; }
  static ELMAN_INLINE Vec load_part(const double* p, int64_t n) {
    double lanes[width] = {};
    for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
    return load(lanes);
  }
  ELMAN_INLINE void store(double* p) const { vst1q_f64(p, v); }
  ELMAN_INLINE void store_part(double* p, int64_t n) const {
    double lanes[width];
    store(lanes);
    for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
  }
};

using VecF = Vec<float>;
using VecD = Vec<double>;

ELMAN_INLINE VecF::Mask operator<(VecF a, VecF b) { return {vcltq_f32(a.v, b.v)}; }
ELMAN_INLINE VecF::Mask operator>=(VecF a, VecF b) { return {vcgeq_f32(a.v, b.v)}; }
ELMAN_INLINE VecF select(VecF::Mask m, VecF yes, VecF no) { return {vbslq_f32(m.m, yes.v, no.v)}; }
ELMAN_INLINE VecF operator+(VecF a, VecF b) { return {vaddq_f32(a.v, b.v)}; }
ELMAN_INLINE VecF operator-(VecF a, VecF b) { return {vsubq_f32(a.v, b.v)}; }
ELMAN_INLINE VecF operator*(VecF a, VecF b) { return {vmulq_f32(a.v, b.v)}; }
ELMAN_INLINE VecF operator/(VecF a, VecF b) { return {vdivq_f32(a.v, b.v)}; }
ELMAN_INLINE VecF fma(VecF a, VecF b, VecF c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
ELMAN_INLINE VecF max(VecF a, VecF b) { return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)}; }
ELMAN_INLINE VecF min(VecF a, VecF b) { return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)}; }
ELMAN_INLINE VecF sqrt(VecF a) { return {vsqrtq_f32(a.v)}; }
ELMAN_INLINE VecF abs(VecF a) { return {vabsq_f32(a.v)}; }
ELMAN_INLINE VecF minus_abs(VecF a) { return {vnegq_f32(vabsq_f32(a.v))}; }
ELMAN_INLINE VecF with_sign(VecF size, VecF sign) { return {vbslq_f32(vdupq_n_u32(0x80000000u), sign.v, size.v)}; }
ELMAN_INLINE VecF round(VecF a) { return {vrndnq_f32(a.v)}; }
ELMAN_INLINE VecF times_power_of_two(VecF a, VecF n) {
  const VecF power{vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n.v), vdupq_n_s32(127)), 23))};
  return select(n < VecF::set(-126.0f), VecF::set(0), a * power);
}
ELMAN_INLINE float sum(VecF a) { return vaddvq_f32(a.v); }

ELMAN_INLINE VecD::Mask operator<(VecD a, VecD b) { return {vcltq_f64(a.v, b.v)}; }
ELMAN_INLINE VecD::Mask operator>=(VecD a, VecD b) { return {vcgeq_f64(a.v, b.v)}; }
ELMAN_INLINE VecD select(VecD::Mask m, VecD yes, VecD no) { return {vbslq_f64(m.m, yes.v, no.v)}; }
ELMAN_INLINE VecD operator+(VecD a, VecD b) { return {vaddq_f64(a.v, b.v)}; }
ELMAN_INLINE VecD operator-(VecD a, VecD b) { return {vsubq_f64(a.v, b.v)}; }
ELMAN_INLINE VecD operator*(VecD a, VecD b) { return {vmulq_f64(a.v, b.v)}; }
ELMAN_INLINE VecD operator/(VecD a, VecD b) { return {vdivq_f64(a.v, b.v)}; }
ELMAN_INLINE VecD fma(VecD a, VecD b, VecD c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
ELMAN_INLINE VecD max(VecD a, VecD b) { return {vbslq_f64(vcgtq_f64(a.v, b.v), a.v, b.v)}; }
ELMAN_INLINE VecD min(VecD a, VecD b) { return {vbslq_f64(vcltq_f64(a.v, b.v), a.v, b.v)}; }
ELMAN_INLINE VecD sqrt(VecD a) { return {vsqrtq_f64(a.v)}; }
ELMAN_INLINE VecD abs(VecD a) { return {vabsq_f64(a.v)}; }
ELMAN_INLINE VecD minus_abs(VecD a) { return {vnegq_f64(vabsq_f64(a.v))}; }
ELMAN_INLINE VecD with_sign(VecD size, VecD sign) {
  return {vbslq_f64(vdupq_n_u64(0x8000000000000000ull), sign.v, size.v)};
}
ELMAN_INLINE VecD round(VecD a) { return {vrndnq_f64(a.v)}; }
ELMAN_INLINE VecD times_power_of_two(VecD a, VecD n) {
  const VecD power{vreinterpretq_f64_s64(vshlq_n_s64(vaddq_s64(vcvtq_s64_f64(n.v), vdupq_n_s64(1023)), 52))};
  return select(n < VecD::set(-1022.0), VecD::set(0), a * power);
}
ELMAN_INLINE double sum(VecD a) { return vaddvq_f64(a.v); }

// total + the squares of a, added up in double.
ELMAN_INLINE VecD add_squares(VecD total, VecF a) {
  VecD low{vcvt_f64_f32(vget_low_f32(a.v))};
  VecD high{vcvt_high_f64_f32(a.v)};
  return fma(high, high, fma(low, low, total));
}
ELMAN_INLINE VecD add_squares(VecD total, VecD a) { return fma(a, a, total); }

// Rows of a square block become its columns.
ELMAN_INLINE void transpose(VecF (&r)[4]) {
  const float32x4x2_t low = vtrnq_f32(r[0].v, r[1].v), high = vtrnq_f32(r[2].v, r[3].v);
  r[0] = {vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0]))};
  r[1] = {vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1]))};
  r[2] = {vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0]))};
  r[3] = {vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1]))};
}
ELMAN_INLINE void transpose(VecD (&r)[2]) {
  const float64x2_t low = vtrn1q_f64(r[0].v, r[1].v), high = vtrn2q_f64(r[0].v, r[1].v);
  r[0] = {low};
  r[1] = {high};
}

}  // namespace elman::ELMAN_TARGET
