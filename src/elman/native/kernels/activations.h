// exp, tanh and the logistic sigmoid on vectors, within 2 units in the last place, not-a-number and infinity included.
//
// exp is split as 2^n * exp(r) with |r| <= ln 2 / 2, and taken only of numbers at or below zero, so it cannot overflow;
// what would be denormal becomes 0. tanh is an odd polynomial (or, in double, a rational) near zero, where 1 - 2 e
// would lose its last digits, and comes from exp(-2 |x|) elsewhere. Coefficients: S. Moshier, Cephes (expf, tanhf,
// tanh). The 13/6 rational that other libraries use is quicker, but up to 6 units off and above 1 in places, which
// makes tanh' = 1 - h^2 negative.
#pragma once

#include "kernels/simd.h"

namespace elman::ELMAN_TARGET {

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr float lowest = -150.0f, log2e = 1.44269504088896341f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
};
template <>
struct ExpConstants<double> {
  static constexpr double lowest = -800.0, log2e = 1.4426950408889634073599;
  static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
};

ELMAN_INLINE VecF exp_reduced(VecF r) {
  VecF p = VecF::set(1.9875691500e-4f);
  p = fma(p, r, VecF::set(1.3981999507e-3f));
  p = fma(p, r, VecF::set(8.3334519073e-3f));
  p = fma(p, r, VecF::set(4.1665795894e-2f));
  p = fma(p, r, VecF::set(1.6666665459e-1f));
  p = fma(p, r, VecF::set(5.0000001201e-1f));
  return fma(p, r * r, r) + VecF::set(1.0f);
}

// Taylor's series to the 13th power, whose remainder is 4e-18 here; even and odd powers side by side.
ELMAN_INLINE VecD exp_reduced(VecD r) {
  const VecD z = r * r;
  VecD even = VecD::set(1.0 / 479001600);
  even = fma(even, z, VecD::set(1.0 / 3628800));
  even = fma(even, z, VecD::set(1.0 / 40320));
  even = fma(even, z, VecD::set(1.0 / 720));
  even = fma(even, z, VecD::set(1.0 / 24));
  even = fma(even, z, VecD::set(1.0 / 2));
  VecD odd = VecD::set(1.0 / 6227020800.0);
  odd = fma(odd, z, VecD::set(1.0 / 39916800));
  odd = fma(odd, z, VecD::set(1.0 / 362880));
  odd = fma(odd, z, VecD::set(1.0 / 5040));
  odd = fma(odd, z, VecD::set(1.0 / 120));
  odd = fma(odd, z, VecD::set(1.0 / 6));
  return fma(fma(odd, r, even), z, r) + VecD::set(1.0);
}

// exp(x) for x <= 0. What lies so low that its exponential is 0 is cut first, minus infinity with it.
template <class V>
ELMAN_INLINE V exp_negative(V x) {
  using T = decltype(sum(x));
  using C = ExpConstants<T>;
  V cut = max(V::set(C::lowest), x);
  V n = round(cut * V::set(C::log2e));
  V r = fma(n, V::set(-C::ln2_low), fma(n, V::set(-C::ln2_high), cut));
  return times_power_of_two(exp_reduced(r), n);
}

ELMAN_INLINE VecF tanh_small(VecF x) {
  VecF z = x * x;
  VecF p = VecF::set(-5.70498872745e-3f);
  p = fma(p, z, VecF::set(2.06390887954e-2f));
  p = fma(p, z, VecF::set(-5.37397155531e-2f));
  p = fma(p, z, VecF::set(1.33314422036e-1f));
  p = fma(p, z, VecF::set(-3.33332819422e-1f));
  return fma(p * z, x, x);
}

ELMAN_INLINE VecD tanh_small(VecD x) {
  VecD z = x * x;
  VecD p = fma(VecD::set(-9.64399179425052238628e-1), z, VecD::set(-9.92877231001918586564e1));
  p = fma(p, z, VecD::set(-1.61468768441708447952e3));
  VecD q = z + VecD::set(1.12811678491632931402e2);
  q = fma(fma(q, z, VecD::set(2.23548839060100448583e3)), z, VecD::set(4.84406305325125486048e3));
  return fma(x * z, p / q, x);
}

template <class V>
ELMAN_INLINE V tanh(V x) {
  using T = decltype(sum(x));
  V size = abs(x);
  V one = V::set(T(1));
  V e = exp_negative(V::set(T(-2)) * size);
  V large = (one - e) / (one + e);
  return with_sign(select(size < V::set(T(0.625)), tanh_small(size), large), x);
}

template <class V>
ELMAN_INLINE V sigmoid(V x) {
  using T = decltype(sum(x));
  V one = V::set(T(1));
  V e = exp_negative(minus_abs(x));
  V whole = one + e, lost = e - (whole - one);  // what rounding took from 1 + e; worth one unit in the last place
  V value = select(x < V::set(T(0)), e, one) / whole;
  return fma(V::set(T(0)) - value, lost, value);
}

template <class V>
ELMAN_INLINE V relu(V x) {
  using T = decltype(sum(x));
  return max(V::set(T(0)), x);
}

}  // namespace elman::ELMAN_TARGET
