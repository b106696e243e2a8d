// One vector type for every instruction set: Vec<float> and Vec<double>, and the operations the kernels are written in.
//
// Included only by the files of this folder, once for each instruction set, with ELMAN_TARGET naming the namespace that
// everything here lies in. No function here may be shared between instruction sets: the linker would keep one copy,
// and an older processor would meet instructions that it does not have. So: no standard containers, no globals.
//
// Rules the kernels rely on:
//   fma(a, b, c) is a * b + c in one rounding where the processor can; the compiler fuses nothing by itself
//   (-ffp-contract=off), so an element's value never depends on the tile that computed it.
//   max(a, b) and min(a, b) give b where either is not a number.
//   times_power_of_two(a, n) is a 2^n for whole n, and 0 where that is below the normal numbers (AVX-512: where the
//   processor flushes those to 0).
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define ELMAN_INLINE inline  // with a check at every access, forced inlining takes minutes to compile
#elif defined(__GNUC__)
#define ELMAN_INLINE inline __attribute__((always_inline))
#else
#define ELMAN_INLINE __forceinline
#endif

#if defined(ELMAN_ISA_AVX512)
#include "kernels/simd_avx512.h"
#elif defined(ELMAN_ISA_AVX2)
#include "kernels/simd_avx2.h"
#elif defined(ELMAN_ISA_NEON)
#include "kernels/simd_neon.h"
#else
#include "kernels/simd_plain.h"
#endif
