// SPDX-License-Identifier: Apache-2.0
// A body of evidence into a file, over connections that break.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/ctl/file_download.h"
#include "fodc/ctl/output.h"
#include "fodc/ctl/proxy_client.h"

namespace fodc::ctl {

// Waits so long.
using Sleep = std::function<void(std::chrono::nanoseconds)>;

struct DownloadOptions {
  std::string url;
  std::chrono::nanoseconds timeout{};  // for all of it, waits included
  // So many tries in a row that come no farther are the end. The wait before
  // the first is `first_wait`, and doubles to `longest_wait`.
  int tries_in_vain = 8;
  std::chrono::nanoseconds first_wait = std::chrono::milliseconds(500);
  std::chrono::nanoseconds longest_wait = std::chrono::seconds(8);
};

struct Downloaded {
  std::uint64_t bytes = 0;
  std::string sha256;  // of what is in the file
  // Whether the proxy told the same of the whole; false if it told none.
  bool is_compared = false;
};

// Blocks. After an answer that began and broke it asks again: for the rest, if
// the proxy told a SHA-256 as the ETag and takes ranges, and the body has not
// changed since (If-Range); else for the whole, anew. A failure of the first
// answer before its body is final. `errors` gets a line for each break.
// Errors: of the last try; kDataLoss if the whole is not what its SHA-256 says;
// kDeadlineExceeded; those of the file.
Result<Downloaded> Download(ProxyClient* client, const DownloadOptions& options,
                            FileDownload* file, Output* errors,
                            const Clock& clock, const Sleep& sleep);

}  // namespace fodc::ctl
