// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/xml_text.h"

#include <utility>

namespace fodc::object_store {
namespace {

constexpr unsigned kParse = pugi::parse_default & ~pugi::parse_doctype;

}  // namespace

pugi::xml_node XmlRoot(std::string_view xml, pugi::xml_document* document,
                       const char* name) {
  if (!document->load_buffer(xml.data(), xml.size(), kParse)) return {};
  return document->child(name);
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

std::string Unquoted(std::string etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    return etag.substr(1, etag.size() - 2);
  return etag;
}

}  // namespace fodc::object_store
