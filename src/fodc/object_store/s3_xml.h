// SPDX-License-Identifier: Apache-2.0
// The XML of the S3 API: answers from a server that is not trusted, and the
// bodies of requests.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/object_store/digests.h"
#include "fodc/object_store/object_info.h"
#include "fodc/object_store/upload_session.h"

namespace fodc::object_store {

// An <Error>; all empty for anything else.
struct S3Error {
  std::string code{};
  std::string message{};
  std::string request_id{};
  std::string region{};         // where the bucket is
  std::string storage_class{};  // in which an object cannot be read
};
S3Error ReadS3Error(std::string_view xml);

// A page of ListObjectsV2. Errors: kDataLoss for what is no such page.
Result<ListPage> ReadS3List(std::string_view xml);
// That of CreateMultipartUpload. Errors: likewise.
Result<std::string> ReadUploadId(std::string_view xml);

struct KeyError {
  std::string key;
  S3Error error;
};
// Of DeleteObjects: what was not deleted. Errors: likewise.
Result<std::vector<KeyError>> ReadS3DeleteErrors(std::string_view xml);

// Bodies of DeleteObjects and CompleteMultipartUpload. `algorithm` is that of
// the parts' checksums, "SHA256"; empty: they have none.
std::string WriteS3Delete(const std::vector<std::string>& keys);
std::string WriteS3Complete(const std::vector<UploadPart>& parts,
                            std::string_view algorithm);

}  // namespace fodc::object_store
