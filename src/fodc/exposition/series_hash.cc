// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/series_hash.h"

#include <random>

namespace fodc::exposition::series_hash {
namespace {

std::uint64_t RandomKey() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

const std::uint64_t kProcessKey = RandomKey();
const ValueKeys kValueKeys = [] {
  ValueKeys keys;
  for (std::uint64_t& word : keys.words) word = RandomKey();
  return keys;
}();

}  // namespace fodc::exposition::series_hash
