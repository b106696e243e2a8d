// What the core must know of a cell apart from its arithmetic.
#pragma once

#include <cstdint>

namespace elman {

// A gate by its name in Python, and the slot that holds it after a forward pass.
struct NamedSlot {
  const char* name;
  int slot;
};

// A slot is a block of Hp numbers for each step and sequence. Slots hold what goes into the gates at first, the gates
// after the forward pass, and their gradients after the backward pass. Each cell's header says which is which.
struct CellFacts {
  int gates;             // G: blocks of H rows in a weight
  int slots;             // S
  bool has_cell_state;   // c beside h
  bool has_tiny_kernel;  // whether tiny.h trains it step by step
  int input_slots[4];    // of the input side, by gate of the weights
  int recurrent_slot;    // the first slot of the recurrent side; its G slots follow in the order of the weights
  int inner_bias_gate;   // the gate whose b_hh stays with the recurrent product, or -1 where none does
  NamedSlot traced[4];   // the gates that a trace shows; null names after the last

  // The gate of the weights that a slot of the input side belongs to.
  constexpr int gate_of_input_slot(int64_t slot) const {
    for (int gate = 0; gate < gates; ++gate)
      if (input_slots[gate] == slot) return gate;
    return -1;
  }
};

}  // namespace elman
