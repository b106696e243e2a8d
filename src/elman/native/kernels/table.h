// Assembles the table of kernels of one instruction set. Included by <isa>.cpp, which names it by ELMAN_TARGET.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/packing.h"
#include "kernels/product.h"
#include "kernels/recurrence.h"
#include "kernels/softmax.h"
#include "kernels/sums.h"
#include "kernels/tiny.h"
#include "kernels/updates.h"

namespace elman::ELMAN_TARGET {

template <class T>
inline constexpr Kernels<T> table{
    .name = ELMAN_TARGET_NAME,
    .width = Vec<T>::width,
    .wide_panel = Vec<T>::registers == 32 ? 4 : 3,
    .tall_panel = most_vectors,
    .pack_transposed = &pack_transposed<T>,
    .pack_rows = &pack_rows<T>,
    .product = &product<T>,
    .dot = &dot<T>,
    .forward = &forward<T>,
    .backward = &backward<T>,
    .outer = &outer<T>,
    .outer_work = &outer_work<T>,
    .column_sums = &column_sums<T>,
    .add = &add<T>,
    .multiply = &multiply<T>,
    .scale = &scale<T>,
    .clip = &clip<T>,
    .sum_of_squares = &sum_of_squares<T>,
    .update = &update<T>,
    .softmax = &softmax<T>,
    .tiny = &tiny<T>,
    .activate = &activate<T>,
};

}  // namespace elman::ELMAN_TARGET
