// SPDX-License-Identifier: Apache-2.0
// Series as a recording keeps them: interned once, shared by every chunk and,
// at the proxy, by every agent that exposes the same series.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/exposition/metric.h"

namespace fodc::recorder {

// One interned series: immutable, reference-counted, never moved.
// Identity labels (pod_name, node_role, ...) are not part of it: they belong to
// the recording (`Identity`) and are merged when a series is shown.
class Series;
using SeriesRef = std::shared_ptr<const Series>;  // or an intrusive pointer

}  // namespace fodc::recorder
