// The kernels for AVX2 with FMA.
#if defined(__AVX2__) && defined(__FMA__)
#define ELMAN_ISA_AVX2
#define ELMAN_TARGET avx2
#define ELMAN_TARGET_NAME "avx2"
#include "kernels/table.h"
#define ELMAN_TABLE &avx2::table<T>
#else  // this build is for another processor
#include "kernels/kernels.h"
#define ELMAN_TABLE nullptr
#endif

namespace elman {

template <class T>
const Kernels<T>* avx2_kernels() {
  return ELMAN_TABLE;
}
template const Kernels<float>* avx2_kernels<float>();
template const Kernels<double>* avx2_kernels<double>();

}  // namespace elman
