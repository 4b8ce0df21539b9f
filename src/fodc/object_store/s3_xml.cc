// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/s3_xml.h"

#include <openssl/evp.h>

#include <pugixml.hpp>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace fodc::object_store {
namespace {

constexpr unsigned kParse = pugi::parse_default & ~pugi::parse_doctype;

// The root, if it has that name; null otherwise. Prefixes of namespaces are
// not used by any server.
pugi::xml_node Root(std::string_view xml, pugi::xml_document* document,
                    const char* name) {
  if (!document->load_buffer(xml.data(), xml.size(), kParse)) return {};
  return document->child(name);
}

std::string Text(const pugi::xml_node& node, const char* name) {
  return node.child_value(name);
}

S3Error ErrorOf(const pugi::xml_node& node) {
  return {.code = Text(node, "Code"),
          .message = Text(node, "Message"),
          .request_id = Text(node, "RequestId"),
          .region = Text(node, "Region")};
}

Status NoPage(std::string_view what) {
  return DataLoss(StrCat("the answer is no ", what));
}

Result<std::string> KeyOf(const char* text, bool is_encoded) {
  if (!is_encoded) return std::string(text);
  return net::PercentDecode(text, /*plus_is_blank=*/true);
}

std::string Unquoted(std::string etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    return etag.substr(1, etag.size() - 2);
  return etag;
}

std::string WriteXml(const pugi::xml_document& document) {
  struct Writer final : pugi::xml_writer {
    std::string text;
    void write(const void* data, std::size_t size) override {
      text.append(static_cast<const char*>(data), size);
    }
  } writer;
  document.save(writer, "", pugi::format_raw | pugi::format_no_declaration,
                pugi::encoding_utf8);
  return std::move(writer.text);
}

}  // namespace

S3Error ReadS3Error(std::string_view xml) {
  pugi::xml_document document;
  return ErrorOf(Root(xml, &document, "Error"));
}

Result<ListPage> ReadS3List(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = Root(xml, &document, "ListBucketResult");
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
  std::string id =
      Text(Root(xml, &document, "InitiateMultipartUploadResult"), "UploadId");
  if (id.empty()) return NoPage("upload");
  return id;
}

Result<std::vector<KeyError>> ReadS3DeleteErrors(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = Root(xml, &document, "DeleteResult");
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

std::string WriteS3Complete(const std::vector<S3Part>& parts) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("CompleteMultipartUpload");
  for (const S3Part& part : parts) {
    pugi::xml_node node = root.append_child("Part");
    node.append_child("PartNumber").text().set(part.number);
    node.append_child("ETag").text().set(part.etag.c_str());
    const std::string_view digest(
        reinterpret_cast<const char*>(part.sha256.data()), part.sha256.size());
    node.append_child("ChecksumSHA256").text().set(Base64(digest).c_str());
  }
  return WriteXml(document);
}

std::string Base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  return out;
}

std::optional<std::string> ParseBase64(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  std::string out(text.size() / 4 * 3, '\0');
  const int bytes =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (bytes < 0) return {};
  std::size_t size = static_cast<std::size_t>(bytes);
  if (text.ends_with("==")) {
    size -= 2;
  } else if (text.ends_with('=')) {
    size -= 1;
  }
  out.resize(size);
  return out;
}

}  // namespace fodc::object_store
