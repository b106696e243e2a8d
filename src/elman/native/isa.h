// Which instruction set this process uses.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace elman {

// Names of the instruction sets that this build has and this processor runs, the best one first.
std::vector<std::string> available_isas();

// The one in use: the best, or the one that $ELMAN_ISA or set_isa named. Unknown or unavailable names throw.
std::string current_isa();
void set_isa(const std::string& name);

// The kernels for layers of `hidden` units.
//
// Rule: vectors of 16 are left half empty by 8 units or fewer, and cost as much as two vectors of 8 on processors that
// work in halves; so those layers take AVX2 even where AVX-512 is there. Measured in docs/native-engine.md.
template <class T>
const Kernels<T>& kernels_for(int64_t hidden);

}  // namespace elman
