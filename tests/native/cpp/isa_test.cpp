// Every instruction set beside the baseline, without Python, so that it can run under an emulator: outputs, gradients
// and some training steps of each cell. Prints what differs and returns 1, else returns 0 and the instruction sets
// compared.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine.h"
#include "isa.h"

namespace {

using elman::Cell;

struct Size {
  int64_t count, steps, features, hidden, outputs, layers, directions;
};

template <class T>
std::vector<T> numbers(int64_t count, double scale, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0.0, scale);
  std::vector<T> made(static_cast<std::size_t>(count));
  for (T& number : made) number = static_cast<T>(normal(generator));
  return made;
}

// Outputs, every gradient, and the parameters after three steps of Adam, one after the other.
template <class T>
std::vector<T> answers(const std::string& isa, Cell cell, const Size& s) {
  elman::set_isa(isa);
  const elman::Shape shape{.cell = cell,
                           .input_size = s.features,
                           .hidden_size = s.hidden,
                           .output_size = s.outputs,
                           .num_layers = s.layers,
                           .directions = s.directions};
  const elman::LossOptions loss{.kind = elman::LossKind::mse};
  const elman::OptimiserOptions adam{.kind = elman::OptimiserKind::adam, .eps = 1e-3, .clip_norm = 1.0};
  elman::Engine<T> engine(shape, loss, adam, 0, 0);
  engine.learning_rate = 0.01;
  engine.load_parameters(numbers<T>(engine.size(), 0.3, 1).data());

  const int64_t rows = s.count * s.steps, state = shape.rows() * s.count * s.hidden;
  const auto x = numbers<T>(3 * rows * s.features, 1.0, 2), y = numbers<T>(3 * rows * s.outputs, 1.0, 3);
  const auto h = numbers<T>(state, 0.5, 4), c = numbers<T>(state, 0.5, 5);
  std::vector<int64_t> lengths(static_cast<std::size_t>(3 * s.count), s.steps);
  lengths[0] = s.steps / 2;
  elman::PassInput<T> input;
  input.dense = {x.data(), s.features, s.steps * s.features};
  input.count = s.count, input.steps = s.steps;
  input.lengths = lengths.data();
  const bool two = shape.has_cell_state();
  input.state = {h.data(), two ? c.data() : nullptr};

  std::vector<T> outputs(static_cast<std::size_t>(rows * s.outputs)), block(static_cast<std::size_t>(engine.size()));
  std::vector<T> dx(static_cast<std::size_t>(rows * s.features)), dh(h.size()), dc(c.size()), last(h.size()),
      last_c(c.size());
  const elman::State<T> to{last.data(), two ? last_c.data() : nullptr};
  const elman::PassGradients<T> into{
      block.data(), {dx.data(), s.features, s.steps * s.features}, {dh.data(), two ? dc.data() : nullptr}};
  engine.gradients(input, y.data(), nullptr, outputs.data(), into, to);

  std::vector<T> all;
  for (const auto* part : {&outputs, &block, &dx, &dh, &last}) all.insert(all.end(), part->begin(), part->end());
  if (two)
    for (const auto* part : {&dc, &last_c}) all.insert(all.end(), part->begin(), part->end());

  std::vector<double> losses(3), weights(3), norms(3);
  std::vector<int64_t> correct(3), scored(3);
  const bool fresh[] = {true, false, true};
  elman::TrainInput<T> pieces;
  pieces.dense = x.data(), pieces.values = y.data(), pieces.fresh = fresh;
  pieces.pieces = 3, pieces.count = s.count, pieces.steps = s.steps;
  engine.train(pieces, {losses.data(), weights.data(), norms.data(), correct.data(), scored.data()}, to);
  engine.copy_parameters(block.data());
  all.insert(all.end(), block.begin(), block.end());
  return all;
}

template <class T>
bool agrees(const std::string& isa, Cell cell, const Size& s, double tolerance) {
  const std::vector<T> actual = answers<T>(isa, cell, s), expected = answers<T>("baseline", cell, s);
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(expected[i])));
    const double off = std::fabs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    worst = off <= worst ? worst : off;  // what is not a number stays
  }
  if (worst <= tolerance * largest) return true;
  std::printf("%s differs from the baseline by %g of %g: cell %d, H %d, N %d, T %d, float%d\n", isa.c_str(), worst,
              largest, static_cast<int>(cell), static_cast<int>(s.hidden), static_cast<int>(s.count),
              static_cast<int>(s.steps), static_cast<int>(8 * sizeof(T)));
  return false;
}

// A number that is no cell's is refused, and not taken for another cell.
bool refuses_unknown_cells() {
  for (const int number : {-1, elman::cell_count, 99}) {
    const elman::Shape shape{.cell = static_cast<Cell>(number), .input_size = 1, .hidden_size = 1, .output_size = 1};
    try {
      elman::Engine<float> engine(shape, {}, {}, 0, 0);
    } catch (const std::invalid_argument&) {
      continue;
    }
    std::printf("a network of the unknown cell %d was made\n", number);
    return false;
  }
  return true;
}

}  // namespace

int main() {
  const Size sizes[] = {{1, 1, 1, 1, 1, 1, 1},  {1, 9, 3, 7, 2, 1, 1},   {3, 5, 2, 8, 3, 1, 2},
                        {5, 4, 6, 17, 2, 2, 1}, {9, 6, 33, 63, 5, 1, 2}, {33, 3, 20, 100, 4, 2, 1}};
  bool good = refuses_unknown_cells();
  for (const std::string& isa : elman::available_isas()) {
    if (isa == "baseline") continue;
    for (const Size& size : sizes)
      for (int cell = 0; cell < elman::cell_count; ++cell) {
        good = agrees<float>(isa, static_cast<Cell>(cell), size, 2e-5) && good;
        good = agrees<double>(isa, static_cast<Cell>(cell), size, 1e-13) && good;
      }
    std::printf("%s\n", isa.c_str());
  }
  return good ? 0 : 1;
}
