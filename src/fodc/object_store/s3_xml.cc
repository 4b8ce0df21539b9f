// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/s3_xml.h"

#include "fodc/base/strings.h"
#include "fodc/net/url.h"
#include "fodc/object_store/xml_text.h"

namespace fodc::object_store {
namespace {

std::string Text(const pugi::xml_node& node, const char* name) {
  return node.child_value(name);
}

S3Error ErrorOf(const pugi::xml_node& node) {
  return {.code = Text(node, "Code"),
          .message = Text(node, "Message"),
          .request_id = Text(node, "RequestId"),
          .region = Text(node, "Region"),
          .storage_class = Text(node, "StorageClass")};
}

Status NoPage(std::string_view what) {
  return DataLoss(StrCat("the answer is no ", what));
}

Result<std::string> KeyOf(const char* text, bool is_encoded) {
  if (!is_encoded) return std::string(text);
  return net::PercentDecode(text, /*plus_is_blank=*/true);
}

}  // namespace

S3Error ReadS3Error(std::string_view xml) {
  pugi::xml_document document;
  return ErrorOf(XmlRoot(xml, &document, "Error"));
}

Result<ListPage> ReadS3List(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = XmlRoot(xml, &document, "ListBucketResult");
  if (!root) return NoPage("listing");
  const bool is_encoded = Text(root, "EncodingType") == "url";
  ListPage page;
  for (const pugi::xml_node& node : root.children("Contents")) {
    ObjectInfo info;
    FODC_ASSIGN_OR_RETURN(info.key, KeyOf(node.child_value("Key"), is_encoded));
    const auto bytes = ParseUint(node.child_value("Size"));
    if (info.key.empty() || !bytes)
      return NoPage("listing: an object has no key or no size");
    info.bytes = *bytes;
    info.etag = Unquoted(Text(node, "ETag"));
    info.storage_class = Text(node, "StorageClass");
    if (const auto t = ParseRfc3339(node.child_value("LastModified")); t.ok())
      info.modified = *t;
    page.objects.push_back(std::move(info));
  }
  for (const pugi::xml_node& node : root.children("CommonPrefixes")) {
    FODC_ASSIGN_OR_RETURN(std::string prefix,
                          KeyOf(node.child_value("Prefix"), is_encoded));
    page.prefixes.push_back(std::move(prefix));
  }
  page.next_token = Text(root, "NextContinuationToken");
  if (Text(root, "IsTruncated") == "true" && page.next_token.empty())
    return NoPage("listing: it goes on, and does not say where");
  if (Text(root, "IsTruncated") != "true") page.next_token.clear();
  return page;
}

Result<std::string> ReadUploadId(std::string_view xml) {
  pugi::xml_document document;
  std::string id = Text(
      XmlRoot(xml, &document, "InitiateMultipartUploadResult"), "UploadId");
  if (id.empty()) return NoPage("upload");
  return id;
}

Result<std::vector<KeyError>> ReadS3DeleteErrors(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = XmlRoot(xml, &document, "DeleteResult");
  if (!root) return NoPage("list of what was deleted");
  std::vector<KeyError> errors;
  for (const pugi::xml_node& node : root.children("Error"))
    errors.push_back({.key = Text(node, "Key"), .error = ErrorOf(node)});
  return errors;
}

std::string WriteS3Delete(const std::vector<std::string>& keys) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("Delete");
  root.append_child("Quiet").text().set("true");
  for (const std::string& key : keys)
    root.append_child("Object").append_child("Key").text().set(key.c_str());
  return WriteXml(document);
}

std::string WriteS3Complete(const std::vector<UploadPart>& parts,
                            std::string_view algorithm) {
  const std::string element = StrCat("Checksum", algorithm);
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("CompleteMultipartUpload");
  int number = 0;
  for (const UploadPart& part : parts) {
    pugi::xml_node node = root.append_child("Part");
    node.append_child("PartNumber").text().set(++number);
    node.append_child("ETag").text().set(part.etag.c_str());
    if (!algorithm.empty())
      node.append_child(element.c_str()).text().set(part.checksum.c_str());
  }
  return WriteXml(document);
}

}  // namespace fodc::object_store
