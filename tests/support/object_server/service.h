// SPDX-License-Identifier: Apache-2.0
// What a vendor's personality has to do for a request.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "tests/support/object_server/http.h"
#include "tests/support/object_server/options.h"
#include "tests/support/object_server/store.h"

namespace fodc::object_server {

// Named alike for all vendors.
enum class Operation : std::uint8_t {
  kPut,
  kGet,
  kHead,
  kList,
  kDelete,
  kCopy,
  kCreateUpload,
  kPutPart,
  kCompleteUpload,
  kAbortUpload,
  kToken,
  kCreateContainer,
  kListParts,
  kListUploads,
  kOther,
  kBatch,
};
inline constexpr std::size_t kOperations = 16;
std::string_view OperationName(Operation o);
std::optional<Operation> OperationOf(std::string_view name);

enum class ListTrouble : std::uint8_t { kNone, kRepeat, kEndless };

// One request on its way through the server.
struct Call {
  explicit Call(const Request& r) : request(r) {}

  const Request& request;
  UnixTime now;  // by the server's own clock, which may be shifted
  std::string request_id;
  // Set by Route.
  Operation operation = Operation::kOther;
  std::string bucket;
  std::string key;
  // Set by Check: what the body is to be.
  unsigned digests = 0;
  bool keep_body = false;           // as an object's; else as a text
  std::optional<Digests> going_on;  // instead of fresh ones of `digests`
  // For Finish.
  std::unique_ptr<Body> body;
  Sums sums;
  ListTrouble trouble = ListTrouble::kNone;
  int part_status = 0;  // of the first one in a batch; 0: what it is
};

// All on the server's thread.
class Service {
 public:
  virtual ~Service() = default;
  // What the request is, from its head.
  virtual void Route(Call* call) = 0;
  // What can be said before the body: whether it is allowed, and how the body
  // is to be taken. An answer is a refusal.
  virtual std::optional<Response> Check(Call* call) = 0;
  // With the body.
  virtual Response Finish(Call* call) = 0;
  // The vendor's way to refuse.
  virtual Response Refuse(const Call& call, int status, std::string_view code,
                          std::string_view message) = 0;
  // Faults that each vendor has under another name.
  virtual Response ExpiredToken(const Call& call) = 0;
  virtual Response Full(const Call& call) = 0;
  virtual Response OtherRegion(const Call& call, std::string_view region) = 0;
  // Headers of every answer.
  virtual void Decorate(const Call& call, Response* response) = 0;
  // Codes that a status alone stands for.
  virtual std::string_view CodeOf(int status) = 0;
  virtual void Reset() = 0;
};

// What all of them share. The server owns it.
struct World {
  const Options& options;
  Credentials credentials;
  Vault vault;
  Store store;
};

std::unique_ptr<Service> MakeS3Service(World* world);
std::unique_ptr<Service> MakeGcsService(World* world);
std::unique_ptr<Service> MakeAzureService(World* world);

}  // namespace fodc::object_server
