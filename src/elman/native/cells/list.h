// The cells that have kernels made by hand. To add one: write its header beside the others, and a line here.
#pragma once

#include "cells/elman.h"
#include "cells/gru.h"
#include "cells/lstm.h"

// CELL(name, Kernel): `name` is the cell's in Python, `name_facts` its facts, and Kernel<T> its arithmetic on vectors.
// The enum, the table of facts, the enum in Python and every switch over the cells are made from this list.
#define ELMAN_CELLS(CELL)           \
  CELL(elman_tanh, ElmanTanh)       \
  CELL(elman_relu, ElmanRelu)       \
  CELL(elman_sigmoid, ElmanSigmoid) \
  CELL(gru, Gru)                    \
  CELL(lstm, Lstm)

namespace elman {

#define ELMAN_CELL_NAME(name, Kernel) name,
enum class Cell : int { ELMAN_CELLS(ELMAN_CELL_NAME) };
#undef ELMAN_CELL_NAME

#define ELMAN_CELL_FACTS(name, Kernel) name##_facts,
inline constexpr CellFacts facts_by_cell[] = {ELMAN_CELLS(ELMAN_CELL_FACTS)};
#undef ELMAN_CELL_FACTS

inline constexpr int cell_count = static_cast<int>(sizeof(facts_by_cell) / sizeof(facts_by_cell[0]));

}  // namespace elman
