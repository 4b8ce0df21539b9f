// SPDX-License-Identifier: Apache-2.0
// The Azure Blob personality. For this directory.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/object_server/azure_auth.h"
#include "tests/support/object_server/azure_identity.h"
#include "tests/support/object_server/service.h"

namespace fodc::object_server {

class AzureService final : public Service {
 public:
  explicit AzureService(World* world)
      : world_(*world), identity_(world->options) {}

  void Route(Call* call) override;
  std::optional<Response> Check(Call* call) override;
  Response Finish(Call* call) override;
  Response Refuse(const Call& call, int status, std::string_view code,
                  std::string_view message) override;
  Response ExpiredToken(const Call& call) override;
  Response Full(const Call& call) override;
  Response OtherRegion(const Call& call, std::string_view region) override;
  void Decorate(const Call& call, Response* response) override;
  std::string_view CodeOf(int status) override;
  void Reset() override {
    uncommitted_.clear();
    identity_.Clear();
  }

 private:
  using Name = std::pair<std::string, std::string>;  // container, blob

  AzureAccess AccessOf(const Call& call) const;
  std::optional<Response> CheckUpload(Call* call);
  std::optional<Response> CheckMetadata(const Call& call);
  std::optional<Response> CheckConditions(const Call& call);
  std::optional<Response> VerifyBody(const Call& call);

  std::shared_ptr<Object> NewObject(const Call& call) const;
  Response Created(const Call& call, std::shared_ptr<Object> object);
  Response Put(Call* call);
  Response Get(const Call& call, bool head);
  Response ContainerProperties(const Call& call);
  Response CreateContainer(const Call& call);
  Response Delete(const Call& call);
  Response Batch(const Call& call);
  Response Copy(const Call& call);
  Response List(const Call& call);
  Response Other(const Call& call);

  Response PutBlock(Call* call);
  Response PutBlockList(const Call& call);
  Response GetBlockList(const Call& call);

  World& world_;
  AzureIdentity identity_;
  std::map<Name, std::map<std::string, Content>> uncommitted_;  // by block id
};

}  // namespace fodc::object_server
