// The kernels for AVX-512.
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512BW__)
#define ELMAN_ISA_AVX512
#define ELMAN_TARGET avx512
#define ELMAN_TARGET_NAME "avx512"
#include "kernels/table.h"
#define ELMAN_TABLE &avx512::table<T>
#else  // this build is for another processor
#include "kernels/kernels.h"
#define ELMAN_TABLE nullptr
#endif

namespace elman {

template <class T>
const Kernels<T>* avx512_kernels() {
  return ELMAN_TABLE;
}
template const Kernels<float>* avx512_kernels<float>();
template const Kernels<double>* avx512_kernels<double>();

}  // namespace elman
