// SPDX-License-Identifier: Apache-2.0
// Many keys deleted by few requests, where the service has such requests.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/object_store/batch.h"
#include "fodc/object_store/http_request.h"
#include "fodc/object_store/store_client.h"

namespace fodc::object_store {

// Thread-safe.
class BatchDelete {
 public:
  struct Calls {
    std::string store{};   // for errors
    std::size_t most = 1;  // keys at a time
    // One, with its retries.
    std::function<Status(const std::string& key, const std::stop_token& stop)>
        one{};
    // Some: an answer for each, in their order.
    std::function<Result<std::vector<BatchAnswer>>(
        const std::vector<std::string>& keys, const std::stop_token& stop)>
        some{};
    std::function<ServiceError(const HttpAnswer& answer)> read_error{};
    // Whether a 404 is of the bucket, and not of the key.
    std::function<bool(const ServiceError& error)> is_of_bucket{};
  };

  explicit BatchDelete(Calls calls) : calls_(std::move(calls)) {}

  // As ObjectStore::Delete. A service that knows no batches is asked for them
  // once.
  Status Delete(const std::vector<std::string>& keys,
                const std::stop_token& stop);

 private:
  Status DeleteSome(std::vector<std::string> keys, const std::stop_token& stop);
  Status DeleteEach(const std::vector<std::string>& keys,
                    const std::stop_token& stop);
  // Those that another attempt may delete; `first`: the first failure of the
  // others.
  std::vector<std::string> Judge(const std::vector<std::string>& keys,
                                 std::vector<BatchAnswer> answers,
                                 Status* first) const;

  const Calls calls_;
  std::atomic<bool> has_none_ = false;
};

// The answer of StoreClient to a batch, read.
Result<std::vector<BatchAnswer>> ReadBatch(const HttpAnswer& answer,
                                           std::size_t requests);

}  // namespace fodc::object_store
