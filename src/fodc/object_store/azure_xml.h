// SPDX-License-Identifier: Apache-2.0
// What Azure Blobs answer in XML, and what it is told in XML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/object_store/object_info.h"

namespace fodc::object_store {

struct AzureError {
  std::string code{};
  std::string message{};
};

// Empty where there is none.
AzureError ReadAzureError(std::string_view xml);
// A page of List Blobs with metadata. Errors: kDataLoss for what is no such
// page.
Result<ListPage> ReadAzureList(std::string_view xml);
// The body of Put Block List.
std::string WriteAzureBlockList(const std::vector<std::string>& ids);

}  // namespace fodc::object_store
