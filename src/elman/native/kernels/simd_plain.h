// Any processor: small arrays and loops, which compilers turn into what vectors there are. See simd.h for the rules.
// fma rounds twice here: a fused one would be a slow library call where the processor has none.
#include <cmath>
#include <cstring>

namespace elman::ELMAN_TARGET {

template <class T>
struct Integer;
template <>
struct Integer<float> {
  using type = int32_t;
  static constexpr int bias = 127, mantissa = 23;
  static constexpr float rounder = 12582912.0f;  // 1.5 * 2^23: adding and subtracting it rounds to a whole number
};
template <>
struct Integer<double> {
  using type = int64_t;
  static constexpr int bias = 1023, mantissa = 52;
  static constexpr double rounder = 6755399441055744.0;  // 1.5 * 2^52
};

template <class T>
struct Vec {
  static constexpr int width = 16 / static_cast<int>(sizeof(T));
  static constexpr int registers = 16;
  struct Mask {
    bool m[width];
  };
  T v[width];

  static ELMAN_INLINE Vec set(T x) {
    Vec r;
    for (int i = 0; i < width; ++i) r.v[i] = x;
    return r;
  }
  static ELMAN_INLINE Vec load(const T* p) {
    Vec r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  static ELMAN_INLINE Vec load_part(const T* p, int64_t n) {
    Vec r;
    for (int i = 0; i < width; ++i) r.v[i] = i < n ? p[i] : T(0);
    return r;
  }
  ELMAN_INLINE void store(T* p) const { std::memcpy(p, v, sizeof v); }
  ELMAN_INLINE void store_part(T* p, int64_t n) const {
    for (int i = 0; i < width && i < n; ++i) p[i] = v[i];
  }
};

using VecF = Vec<float>;
using VecD = Vec<double>;

#define ELMAN_LANES(expression)                                \
  Vec<T> r;                                                    \
  for (int i = 0; i < Vec<T>::width; ++i) r.v[i] = expression; \
  return r

template <class T>
ELMAN_INLINE Vec<T> operator+(Vec<T> a, Vec<T> b) {
  ELMAN_LANES(a.v[i] + b.v[i]);
}
template <class T>
ELMAN_INLINE Vec<T> operator-(Vec<T> a, Vec<T> b) {
  ELMAN_LANES(a.v[i] - b.v[i]);
}
template <class T>
ELMAN_INLINE Vec<T> operator*(Vec<T> a, Vec<T> b) {
  ELMAN_LANES(a.v[i] * b.v[i]);
}
template <class T>
ELMAN_INLINE Vec<T> operator/(Vec<T> a, Vec<T> b) {
  ELMAN_LANES(a.v[i] / b.v[i]);
}
template <class T>
ELMAN_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  ELMAN_LANES(a.v[i] * b.v[i] + c.v[i]);
}
template <class T>
ELMAN_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
  ELMAN_LANES(a.v[i] > b.v[i] ? a.v[i] : b.v[i]);
}
template <class T>
ELMAN_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
  ELMAN_LANES(a.v[i] < b.v[i] ? a.v[i] : b.v[i]);
}
template <class T>
ELMAN_INLINE Vec<T> sqrt(Vec<T> a) {
  ELMAN_LANES(std::sqrt(a.v[i]));
}
template <class T>
ELMAN_INLINE Vec<T> abs(Vec<T> a) {
  ELMAN_LANES(std::fabs(a.v[i]));
}
template <class T>
ELMAN_INLINE Vec<T> minus_abs(Vec<T> a) {
  ELMAN_LANES(-std::fabs(a.v[i]));
}
template <class T>
ELMAN_INLINE Vec<T> with_sign(Vec<T> size, Vec<T> sign) {
  ELMAN_LANES(std::copysign(size.v[i], sign.v[i]));
}
template <class T>
ELMAN_INLINE Vec<T> round(Vec<T> a) {
  ELMAN_LANES((a.v[i] + Integer<T>::rounder) - Integer<T>::rounder);
}
template <class T>
ELMAN_INLINE Vec<T> times_power_of_two(Vec<T> a, Vec<T> n) {
  using Whole = typename Integer<T>::type;
  Vec<T> r;
  for (int i = 0; i < Vec<T>::width; ++i) {
    // A not-a-number cannot be converted to a whole number; it stands for 0 here, and its product stays what it is.
    const Whole bits = (static_cast<Whole>(n.v[i] == n.v[i] ? n.v[i] : T(0)) + Integer<T>::bias)
                       << Integer<T>::mantissa;
    T power;
    std::memcpy(&power, &bits, sizeof power);
    r.v[i] = n.v[i] < T(1 - Integer<T>::bias) ? T(0) : a.v[i] * power;
  }
  return r;
}
template <class T>
ELMAN_INLINE typename Vec<T>::Mask operator<(Vec<T> a, Vec<T> b) {
  typename Vec<T>::Mask r;
  for (int i = 0; i < Vec<T>::width; ++i) r.m[i] = a.v[i] < b.v[i];
  return r;
}
template <class T>
ELMAN_INLINE typename Vec<T>::Mask operator>=(Vec<T> a, Vec<T> b) {
  typename Vec<T>::Mask r;
  for (int i = 0; i < Vec<T>::width; ++i) r.m[i] = a.v[i] >= b.v[i];
  return r;
}
template <class T>
ELMAN_INLINE Vec<T> select_lanes(const bool* m, Vec<T> yes, Vec<T> no) {
  ELMAN_LANES(m[i] ? yes.v[i] : no.v[i]);
}
ELMAN_INLINE VecF select(VecF::Mask m, VecF yes, VecF no) { return select_lanes(m.m, yes, no); }
ELMAN_INLINE VecD select(VecD::Mask m, VecD yes, VecD no) { return select_lanes(m.m, yes, no); }
#undef ELMAN_LANES

template <class T>
ELMAN_INLINE T sum(Vec<T> a) {
  T total = a.v[0];
  for (int i = 1; i < Vec<T>::width; ++i) total += a.v[i];
  return total;
}

// total + the squares of a, added up in double.
ELMAN_INLINE VecD add_squares(VecD total, VecF a) {
  for (int i = 0; i < 4; ++i) total.v[i % 2] += static_cast<double>(a.v[i]) * static_cast<double>(a.v[i]);
  return total;
}
ELMAN_INLINE VecD add_squares(VecD total, VecD a) { return fma(a, a, total); }

// Rows of a square block become its columns.
template <class T, int W>
ELMAN_INLINE void transpose(Vec<T> (&r)[W]) {
  for (int i = 0; i < W; ++i)
    for (int j = 0; j < i; ++j) {
      const T swapped = r[i].v[j];
      r[i].v[j] = r[j].v[i];
      r[j].v[i] = swapped;
    }
}

}  // namespace elman::ELMAN_TARGET
