// SPDX-License-Identifier: Apache-2.0
// For the readers of the stores' XML.
#pragma once

#include <pugixml.hpp>
#include <string>
#include <string_view>

namespace fodc::object_store {

// The root, if it has that name; null otherwise. Prefixes of namespaces are
// not used by any server.
pugi::xml_node XmlRoot(std::string_view xml, pugi::xml_document* document,
                       const char* name);
std::string WriteXml(const pugi::xml_document& document);
// An ETag without its quotes.
std::string Unquoted(std::string etag);

}  // namespace fodc::object_store
