// S sequences stepped together: the forward walk for one step at a time, with every buffer made in advance.
//
// A step computes what the batch forward pass computes for N = S, T = 1, by the same kernels, so a stream gives the
// bits of the batch pass. It follows the engine's parameters: they are packed again where they have changed.
#pragma once

#include <memory>
#include <vector>

#include "engine.h"

namespace elman {

template <class T>
class Stream {
 public:
  Stream(std::shared_ptr<Engine<T>> engine, int64_t sessions);

  // x (S, D) or tokens (S,); outputs (S, O).
  void step(const T* x, const int64_t* tokens, T* outputs);
  // x (S, T, D) or tokens (S, T); outputs (S, T, O).
  void step_many(const T* x, const int64_t* tokens, int64_t steps, T* outputs);

  void get_state(State<T> to) const;    // (L, S, H)
  void set_state(State<const T> from);  // null for zero

  int64_t sessions() const { return sessions_; }
  const Engine<T>& engine() const { return *engine_; }

 private:
  void pack();
  void advance(Rows<const T> x, const int64_t* tokens, int64_t token_stride, Rows<T> outputs);

  const std::shared_ptr<Engine<T>> engine_;
  const Shape shape_;
  const Kernels<T>& k_;
  const int64_t sessions_;
  const Packer<T> packer_;
  Head<T> head_;
  std::vector<LayerWeights<T>> weights_;
  std::vector<Buffer<T>> h_;  // by layer: two states (2, S, Hp), before and after, changing places every step
  std::vector<Buffer<T>> c_;  // by layer: (S, Hp), in place
  Buffer<T> slots_, embedded_;
  uint64_t version_ = 0;
  int64_t now_ = 0;  // which half of h_ holds the state
};

}  // namespace elman
