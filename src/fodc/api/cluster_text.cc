// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/cluster_text.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fodc/api/cluster.h"
#include "fodc/api/node_frames.h"

namespace fodc::api {
namespace {

constexpr int kNodesAtOnce = 8;

}  // namespace

ClusterText::ClusterText(const fleet::Fleet& fleet, const CpuWatch& cpu,
                         const Clock& clock, std::vector<fleet::Agent> agents)
    : fleet_(fleet), cpu_(cpu), clock_(clock), agents_(std::move(agents)) {
  const fleet::Fleet::Stats s = fleet.stats();
  share_bytes_ = s.pool_bytes / std::max<std::size_t>(s.flight, 1);
}

bool ClusterText::Append(std::string* out, std::size_t max_bytes) {
  const std::size_t stop = out->size() + max_bytes;
  if (next_ == 0) out->append("{\"nodes\":[");
  for (int n = 0; next_ < agents_.size(); ++n) {
    if (n == kNodesAtOnce || out->size() >= stop) return true;
    const fleet::Agent& agent = agents_[next_];
    if (next_++ != 0) out->push_back(',');
    const fleet::Mirror* mirror = fleet_.mirror(agent.id);
    std::optional<NodeNews> news;
    if (mirror != nullptr) {
      news = NewestOf(agent, *mirror, clock_.Monotonic(),
                      ToUnixMillis(clock_.Unix()));
    }
    AppendClusterNode(agent, mirror, news ? &*news : nullptr,
                      cpu_.Cores(agent.id), share_bytes_, out);
  }
  out->append("]}\n");
  return false;
}

}  // namespace fodc::api
