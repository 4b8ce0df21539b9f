// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/incident_commands.h"

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/ctl/file_download.h"
#include "fodc/ctl/incident_detail.h"
#include "fodc/ctl/proxy_client.h"
#include "fodc/ctl/table.h"
#include "fodc/evidence/capsule.h"
#include "fodc/evidence/capsule_reader.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/sha256.h"
#include "fodc/net/url.h"

namespace fodc::ctl {
namespace {

// What is behind the id is no part of it.
std::string UrlOf(const IncidentCommand& command, std::string_view suffix,
                  std::string_view verb = "") {
  const std::string last = StrCat(command.id, suffix);
  std::vector<std::string_view> pieces = {"incidents", command.pod_name, last};
  if (!verb.empty()) pieces.push_back(verb);
  return BuildUrl(command.query, BuildPath(pieces), {});
}

Status Show(const IncidentCommand& command, Output* out, const Clock& clock) {
  const std::string url = UrlOf(command, "");
  ProxyClient client;
  FODC_ASSIGN_OR_RETURN(std::string body,
                        client.Get(url, command.query.timeout));
  FODC_ASSIGN_OR_RETURN(
      const IncidentDetail detail,
      ParseIncidentDetail(body).WithContext(net::WithoutUserInfo(url)));
  if (!command.json) {
    return out->Append(
        RenderIncidentDetail(detail, ToUnixMillis(clock.Unix())));
  }
  if (!body.ends_with('\n')) body += '\n';
  return out->Append(body);
}

// The directory of `path`, which is one itself if it ends in '/' or is there as
// one.
struct Place {
  std::string directory = ".";
  std::string name;  // empty: the event's
};
Place PlaceOf(const std::string& path) {
  if (path.empty()) return {};
  struct stat info {};
  if (path.ends_with('/') ||
      (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))) {
    return {.directory = path, .name = ""};
  }
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {.directory = ".", .name = path};
  return {.directory = slash == 0 ? "/" : path.substr(0, slash),
          .name = path.substr(slash + 1)};
}

std::string Join(const std::string& directory, const std::string& name) {
  if (directory == ".") return name;
  return StrCat(directory, directory.ends_with('/') ? "" : "/", name);
}

Status Get(const IncidentCommand& command, Output* out) {
  const Place place = PlaceOf(command.path);
  struct stat info {};
  if (!place.name.empty() && !command.force &&
      ::lstat(command.path.c_str(), &info) == 0) {
    return AlreadyExists(command.path + " exists (--force replaces)");
  }
  FODC_ASSIGN_OR_RETURN(FileDownload download,
                        FileDownload::Begin(place.directory));
  const std::string url = UrlOf(command, evidence::kCapsuleSuffix);
  ProxyClient client;
  evidence::Sha256 sha256;
  std::uint64_t bytes = 0;
  FODC_RETURN_IF_ERROR(
      client.Stream(url, command.query.timeout, [&](std::string_view piece) {
        sha256.Update(piece);
        bytes += piece.size();
        return download.Append(piece);
      }));
  const Result<evidence::CapsuleContent> content =
      evidence::ReadCapsuleFile(download.path());
  if (!content.ok()) {
    return {content.status().code(),
            StrCat("what came of ", net::WithoutUserInfo(url),
                   " is no whole capsule: ", content.status().message())};
  }
  if (evidence::ParseEventId(command.id).ok() && content->id != command.id) {
    return DataLoss(StrCat("what came of ", net::WithoutUserInfo(url),
                           " is event ", content->id));
  }
  const std::string path =
      Join(place.directory, place.name.empty()
                                ? StrCat(content->id, evidence::kCapsuleSuffix)
                                : place.name);
  FODC_RETURN_IF_ERROR(download.Publish(path, command.force));
  return out->Append(StrCat(
      path, ": ", bytes, " bytes (", HumanBytes(static_cast<double>(bytes)),
      "), SHA-256 ", sha256.Hex(), "\nevent ", content->id, ", revision ",
      content->meta.revision, ": ", content->files.size(),
      " files, as the manifest says\n"));
}

Status Pin(const IncidentCommand& command, std::string_view verb, Output* out) {
  ProxyClient client;
  FODC_RETURN_IF_ERROR(
      client.Post(UrlOf(command, "", verb), command.query.timeout).status());
  return out->Append(WithoutControls(StrCat(verb, "ned: ", command.pod_name,
                                            " ", command.id)) +
                     "\n");
}

}  // namespace

Status RunIncident(const IncidentCommand& command, Output* out,
                   const Clock& clock) {
  switch (command.action) {
    case IncidentCommand::Action::kShow:
      return Show(command, out, clock);
    case IncidentCommand::Action::kGet:
      return Get(command, out);
    case IncidentCommand::Action::kPin:
      return Pin(command, "pin", out);
    case IncidentCommand::Action::kUnpin:
      return Pin(command, "unpin", out);
  }
  return OkStatus();
}

}  // namespace fodc::ctl
