// The kernels for any processor.
#define ELMAN_TARGET plain
#define ELMAN_TARGET_NAME "baseline"
#include "kernels/table.h"
#define ELMAN_TABLE &plain::table<T>

namespace elman {

template <class T>
const Kernels<T>* plain_kernels() {
  return ELMAN_TABLE;
}
template const Kernels<float>* plain_kernels<float>();
template const Kernels<double>* plain_kernels<double>();

}  // namespace elman
