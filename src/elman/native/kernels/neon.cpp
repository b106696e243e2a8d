// The kernels for 64-bit ARM.
#if defined(__aarch64__)
#define ELMAN_ISA_NEON
#define ELMAN_TARGET neon
#define ELMAN_TARGET_NAME "neon"
#include "kernels/table.h"
#define ELMAN_TABLE &neon::table<T>
#else  // this build is for another processor
#include "kernels/kernels.h"
#define ELMAN_TABLE nullptr
#endif

namespace elman {

template <class T>
const Kernels<T>* neon_kernels() {
  return ELMAN_TABLE;
}
template const Kernels<float>* neon_kernels<float>();
template const Kernels<double>* neon_kernels<double>();

}  // namespace elman
