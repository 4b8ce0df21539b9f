// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/azure_xml.h"

#include <array>
#include <cstring>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/http_date.h"
#include "fodc/object_store/xml_text.h"

namespace fodc::object_store {
namespace {

Status NoPage(std::string_view why) {
  return DataLoss(StrCat("the answer is no listing", why));
}

// What XML cannot hold is percent-encoded, and says so.
Result<std::string> NameOf(const pugi::xml_node& parent) {
  const pugi::xml_node node = parent.child("Name");
  if (!node.attribute("Encoded").as_bool())
    return std::string(node.child_value());
  return net::PercentDecode(node.child_value());
}

std::optional<Sha256> DigestIn(const pugi::xml_node& metadata) {
  for (const pugi::xml_node& node : metadata.children()) {
    if (EqualsIgnoreCase(node.name(), "checksum_sha256"))
      return ParseSha256(node.child_value());
  }
  return {};
}

Result<ObjectInfo> InfoOf(const pugi::xml_node& blob) {
  ObjectInfo info;
  FODC_ASSIGN_OR_RETURN(info.key, NameOf(blob));
  const pugi::xml_node properties = blob.child("Properties");
  const auto bytes = ParseUint(properties.child_value("Content-Length"));
  if (info.key.empty() || !bytes)
    return NoPage(": a blob has no name or no length");
  info.bytes = *bytes;
  info.etag = Unquoted(properties.child_value("Etag"));
  info.storage_class = properties.child_value("AccessTier");
  const auto md5 = ParseBase64(properties.child_value("Content-MD5"));
  if (md5 && md5->size() == sizeof(Md5))
    std::memcpy(info.md5.emplace().data(), md5->data(), sizeof(Md5));
  info.modified = ParseHttpDate(properties.child_value("Last-Modified"))
                      .value_or(UnixTime());
  info.sha256 = DigestIn(blob.child("Metadata"));
  return info;
}

}  // namespace

AzureError ReadAzureError(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = XmlRoot(xml, &document, "Error");
  return {.code = root.child_value("Code"),
          .message = root.child_value("Message")};
}

Result<ListPage> ReadAzureList(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = XmlRoot(xml, &document, "EnumerationResults");
  if (!root) return NoPage("");
  ListPage page;
  for (const pugi::xml_node& node : root.child("Blobs").children()) {
    if (std::strcmp(node.name(), "Blob") == 0) {
      FODC_ASSIGN_OR_RETURN(ObjectInfo info, InfoOf(node));
      page.objects.push_back(std::move(info));
    } else if (std::strcmp(node.name(), "BlobPrefix") == 0) {
      FODC_ASSIGN_OR_RETURN(std::string prefix, NameOf(node));
      page.prefixes.push_back(std::move(prefix));
    }
  }
  page.next_token = root.child_value("NextMarker");
  return page;
}

std::string WriteAzureBlockList(const std::vector<std::string>& ids) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("BlockList");
  for (const std::string& id : ids)
    root.append_child("Latest").text().set(id.c_str());
  return WriteXml(document);
}

}  // namespace fodc::object_store
