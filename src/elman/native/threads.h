// How many threads a call may use.
#pragma once

namespace elman {

// $ELMAN_NUM_THREADS; else the physical cores this process may run on, at most $OMP_NUM_THREADS, with which joblib,
// Dask, Ray and torchrun share the cores out among the processes they start.
int default_threads();

// `default_threads()`, or what `set_threads` said last.
int threads();
void set_threads(int count);

}  // namespace elman
