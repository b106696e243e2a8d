// What a network is, as plain numbers, and where each parameter lies in the one block that holds them all.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "cells/list.h"

namespace elman {

// What elman/network.py calls `inputs` and `head`, by the same names.
enum class Inputs : int { dense, one_hot, embedding };
enum class HeadSteps : int { every, last };

struct Shape {
  Cell cell;
  int64_t input_size, hidden_size;
  int64_t output_size = 0, num_layers = 1, directions = 1;
  bool bias = true, head_bias = true;
  Inputs inputs = Inputs::dense;
  int64_t embedding_size = 0;
  HeadSteps head = HeadSteps::every;
  double dropout = 0;

  const CellFacts& facts() const { return facts_by_cell[static_cast<int>(cell)]; }
  int64_t rows() const { return num_layers * directions; }  // layers of one direction: rows of a state
  int64_t gates() const { return facts().gates; }
  int64_t slots() const { return facts().slots; }
  int64_t layer_input(int64_t layer) const {
    return layer > 0 ? hidden_size * directions : inputs == Inputs::embedding ? embedding_size : input_size;
  }
  bool tokens() const { return inputs != Inputs::dense; }
  bool has_cell_state() const { return facts().has_cell_state; }
  bool head_last() const { return head == HeadSteps::last; }
  bool operator==(const Shape&) const = default;
};

// Offsets into the block of parameters (and of gradients, and of each optimiser memory), in the order of
// `Network.shapes()`. An absent parameter has offset -1.
struct Layout {
  struct Row {
    int64_t ih, hh, bias_ih, bias_hh;
  };
  int64_t embedding = -1, head = -1, head_bias = -1, total = 0;
  std::vector<Row> rows;

  // Whatever is made of a shape begins with its layout: so no cell but those of the list goes further than here.
  explicit Layout(const Shape& s) {
    if (static_cast<int>(s.cell) < 0 || static_cast<int>(s.cell) >= cell_count)
      throw std::invalid_argument("`cell` must be one of the core's cells; got number " +
                                  std::to_string(static_cast<int>(s.cell)));
    const auto take = [this](int64_t count) {
      const int64_t at = total;
      total += count;
      return at;
    };
    if (s.inputs == Inputs::embedding) embedding = take(s.input_size * s.embedding_size);
    const int64_t gates = s.gates() * s.hidden_size;
    for (int64_t row = 0; row < s.rows(); ++row) {
      Row r{};
      r.ih = take(gates * s.layer_input(row / s.directions));
      r.hh = take(gates * s.hidden_size);
      r.bias_ih = s.bias ? take(gates) : -1;
      r.bias_hh = s.bias ? take(gates) : -1;
      rows.push_back(r);
    }
    head = take(s.output_size * s.hidden_size * s.directions);
    head_bias = s.head_bias ? take(s.output_size) : -1;
  }
};

}  // namespace elman
