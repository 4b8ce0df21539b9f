// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/open_files.h"

#include <sys/resource.h>

#include <algorithm>

namespace fodc::proxy {
namespace {

constexpr std::uint64_t kOwnFiles = 64;

}  // namespace

std::uint64_t RaiseOpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return before;
  return limit.rlim_cur;
}

std::size_t HttpConnectionsWithin(std::uint64_t open_files, std::size_t agents,
                                  std::size_t wanted) {
  const std::uint64_t taken = agents + kOwnFiles;
  const std::uint64_t left = open_files > taken ? open_files - taken : 0;
  const std::uint64_t most = std::max({left, open_files / 4, std::uint64_t{1}});
  return static_cast<std::size_t>(std::min<std::uint64_t>(most, wanted));
}

}  // namespace fodc::proxy
