// What a network is, as plain numbers, and where each parameter lies in the one block that holds them all.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.h"

namespace elman {

enum class Inputs : int { dense, one_hot, embedding };

struct Shape {
  Cell cell;
  int64_t input_size, hidden_size, output_size, num_layers, directions;
  bool bias, head_bias;
  Inputs inputs;
  int64_t embedding_size;
  bool head_last;
  double dropout;

  int64_t rows() const { return num_layers * directions; }  // layers of one direction: rows of a state
  int64_t gates() const { return gates_of(cell); }
  int64_t layer_input(int64_t layer) const {
    return layer > 0 ? hidden_size * directions : inputs == Inputs::embedding ? embedding_size : input_size;
  }
  bool tokens() const { return inputs != Inputs::dense; }
  bool has_cell_state() const { return cell == Cell::lstm; }
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

  explicit Layout(const Shape& s) {
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
