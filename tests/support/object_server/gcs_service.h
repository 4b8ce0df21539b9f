// SPDX-License-Identifier: Apache-2.0
// The Google Cloud Storage personality: JSON and XML interface, token endpoint
// and metadata server, all on one port. For this directory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/object_server/gcs_token.h"
#include "tests/support/object_server/service.h"

namespace fodc::object_server {

class GcsService final : public Service {
 public:
  explicit GcsService(World* world) : world_(*world) {}

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
  void Reset() override;

 private:
  // What the client says of an object that it uploads.
  struct Wanted {
    std::shared_ptr<Object> object = std::make_shared<Object>();
    std::string name;
    std::string crc32c;  // base64, to be verified; empty: not given
    std::string md5;
  };
  struct Session {
    std::string bucket;
    Wanted wanted;
    std::string generation_match;
    std::optional<std::uint64_t> size;  // as announced
    Content content;
    std::optional<Digests> digests;  // of what is there
    std::optional<nlohmann::json> finished;
  };
  struct ContentRange {
    std::optional<std::uint64_t> first;  // nothing: a query of the state
    std::uint64_t last = 0;
    std::optional<std::uint64_t> total;
  };

  static bool IsXml(const Call& call);
  // Both interfaces have their own names for what went wrong.
  Response Fail(const Call& call, int status, std::string_view reason,
                std::string_view xml_code, std::string_view message);
  Response Json(const Call& call, const nlohmann::json& value);
  Response NotFound(const Call& call);
  nlohmann::json Resource(const std::string& bucket, const std::string& name,
                          const Object& object) const;

  void RouteJson(Call* call);
  void RouteUpload(Call* call);
  std::optional<Response> CheckBearer(const Call& call);
  std::optional<Response> CheckObject(Call* call);
  std::optional<Response> CheckChunk(Call* call);
  std::optional<Response> CheckGeneration(const Call& call,
                                          const std::string& bucket,
                                          const std::string& key,
                                          std::string_view wanted);
  std::string_view GenerationMatch(const Call& call) const;
  unsigned Digested() const;

  Response GiveToken(const Call& call);
  Response MetadataToken(const Call& call);

  Response PutXml(Call* call);
  Response PutMedia(Call* call);
  Response PutMultipart(Call* call);
  // Verifies what was claimed, and stores; an answer is a refusal.
  std::optional<Response> StoreObject(const Call& call, Wanted wanted,
                                      Content content, Sums sums,
                                      nlohmann::json* resource);
  std::optional<Response> ReadWanted(const Call& call, std::string_view json,
                                     Wanted* wanted);
  Response Get(const Call& call);
  Response Describe(const Call& call);
  Response Delete(const Call& call);
  Response Batch(const Call& call);
  Response Copy(const Call& call);
  Response List(const Call& call);
  Response Patch(const Call& call);
  Response CreateBucket(const Call& call);

  Response CreateSession(const Call& call);
  Response PutChunk(Call* call);
  Response SessionState(const Call& call);
  Response CancelSession(const Call& call);
  Response Incomplete(const Session& session);
  Session* FindSession(const Call& call);
  static std::optional<ContentRange> RangeOf(const Request& request);

  World& world_;
  Tokens tokens_;
  std::map<std::string, Session> sessions_;
};

}  // namespace fodc::object_server
