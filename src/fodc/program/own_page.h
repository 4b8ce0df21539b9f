// SPDX-License-Identifier: Apache-2.0
// A program's own metrics as a page, for programs that serve nothing else.
#pragma once

#include <string>
#include <vector>

#include "fodc/exposition/format.h"
#include "fodc/program/own_metrics.h"

namespace fodc::program {

// `families` as OwnMetrics::Collect gives them.
std::string OwnPage(const std::vector<OwnFamily>& families,
                    exposition::Format format);

}  // namespace fodc::program
