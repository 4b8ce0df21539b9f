// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/control.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "fodc/base/strings.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

using nlohmann::json;

Response Answer(int status, std::string text) {
  Response r;
  r.status = status;
  r.body = std::move(text);
  r.content_type = status == 200 ? "application/json" : "text/plain";
  return r;
}
Response Done() { return Answer(200, "{}"); }

Response Log(const Request& request, const Controls& controls) {
  std::size_t limit = Ledger::kKept;
  if (const auto n = ParseUint(request.Value("last"))) limit = *n;
  return Answer(200,
                controls.ledger.AsJson(limit, request.Value("key"),
                                       request.Find("per_key") != nullptr));
}

Response SetFaults(std::string_view body, Controls* controls) {
  auto rules = ParseFaults(body);
  if (!rules.ok()) return Answer(400, rules.status().message());
  controls->faults = std::move(*rules);
  return Done();
}

Response Corrupt(const json& wanted, World* world) {
  const std::string key = wanted.value("key", "");
  const std::uint64_t offset = wanted.value("offset", std::uint64_t{0});
  const std::string name = wanted.value("bucket", world->options.bucket);
  Bucket* bucket = world->store.Find(name);
  const ObjectPtr object = bucket == nullptr ? nullptr : bucket->Get(key);
  if (object == nullptr) return Answer(404, "no such object");
  if (offset >= object->size()) return Answer(400, "offset beyond the end");
  Content bytes = object->content;  // shares the pieces
  bytes.FlipByte(offset);
  return Done();
}

Response SetCredentials(const json& wanted, World* world) {
  Credentials* c = &world->credentials;
  for (const auto& [name, value] : wanted.items()) {
    std::string* place = name == "access_key"      ? &c->access_key
                         : name == "secret_key"    ? &c->secret_key
                         : name == "session_token" ? &c->session_token
                         : name == "azure_account" ? &c->azure_account
                         : name == "azure_key"     ? &c->azure_key
                                                   : nullptr;
    if (place == nullptr || !value.is_string()) {
      return Answer(400, StrCat("not a credential: ", name));
    }
    *place = value.get<std::string>();
  }
  return Done();
}

Response Objects(const World& world) {
  json out = json::object();
  for (const auto& [name, bucket] : world.store.buckets()) {
    out[name] = bucket.size();
  }
  return Answer(200, out.dump());
}

Response Post(std::string_view what, std::string_view body, Controls* controls,
              World* world, Service* service) {
  if (what == "faults") return SetFaults(body, controls);
  if (what == "reset") {
    controls->ledger.Clear();
    controls->faults.clear();
    controls->skew = {};
    controls->latency = world->options.latency;
    world->credentials = world->options.credentials;
    world->store.Clear();
    service->Reset();
    MakeWorld(world);
    return Done();
  }
  if (what == "clear_log") {
    controls->ledger.Clear();
    return Done();
  }
  const json wanted = json::parse(body, nullptr, false);
  if (!wanted.is_object()) return Answer(400, "not a JSON object");
  try {
    if (what == "clock") {
      controls->skew =
          std::chrono::seconds(wanted.at("skew_seconds").get<std::int64_t>());
      return Done();
    }
    if (what == "latency") {
      controls->latency = std::chrono::milliseconds(
          wanted.at("milliseconds").get<std::uint32_t>());
      return Done();
    }
    if (what == "corrupt") return Corrupt(wanted, world);
    if (what == "credentials") return SetCredentials(wanted, world);
  } catch (const json::exception& e) {
    return Answer(400, e.what());
  }
  return Answer(404, "no such control");
}

}  // namespace

Response HandleControl(const Request& request, std::string_view body,
                       Controls* controls, World* world, Service* service) {
  const std::string_view what = request.path.substr(kControlPath.size());
  if (request.method == "POST") {
    return Post(what, body, controls, world, service);
  }
  if (request.method != "GET") return Answer(405, "GET or POST");
  if (what == "log") return Log(request, *controls);
  if (what == "faults") return Answer(200, FaultsAsJson(controls->faults));
  if (what == "objects") return Objects(*world);
  return Answer(404, "no such control");
}

void MakeWorld(World* world) {
  const Options& o = world->options;
  if (o.bucket.empty()) return;
  world->store.Create(o.bucket);
  if (o.generate_count == 0) return;
  std::string bytes;
  while (bytes.size() < o.generate_bytes) bytes.append("generated object\n");
  bytes.resize(o.generate_bytes);
  Body body(&world->vault, bytes.size(), Digests(kMd5 | kSha256 | kCrc32c));
  FODC_CHECK(body.Append(bytes).ok());
  auto object = std::make_shared<Object>();
  object->sums = body.FinishSums();
  object->content.Append(body.TakePiece());
  object->etag = Hex(object->sums.md5);
  object->modified = SystemClock().Unix();
  object->generation = 1;
  const std::string sum = Hex(object->sums.sha256);
  object->metadata = {
      {o.kind == Kind::kS3 ? "checksum-sha256" : "checksum_sha256", sum}};
  object->headers = {{"Content-Type", "application/octet-stream"}};
  world->store.Find(o.bucket)->Generate(
      {o.generate_count, o.generate_prefix, std::move(object)});
}

}  // namespace fodc::object_server
