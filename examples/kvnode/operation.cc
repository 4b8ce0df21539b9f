// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/operation.h"

#include "examples/kvnode/keys.h"
#include "fodc/base/strings.h"

namespace kvnode {

using fodc::DataLoss;
using fodc::Result;
using fodc::StrCat;

Operation::Operation(OperationKind kind, std::string_view key,
                     std::string_view value)
    : kind_(kind) {
  payload_.reserve(sizeof(std::uint32_t) + key.size() + value.size());
  AppendLittleEndian(static_cast<std::uint32_t>(key.size()), &payload_);
  payload_.append(key).append(value);
}

Result<OperationView> Operation::Read(std::uint16_t kind,
                                      std::string_view payload) {
  if (kind < static_cast<std::uint16_t>(OperationKind::kPut) ||
      kind > static_cast<std::uint16_t>(OperationKind::kAppend)) {
    return DataLoss(StrCat("operation of unknown kind ", kind));
  }
  std::uint32_t key_bytes = 0;
  if (!TakeLittleEndian(&payload, &key_bytes) || key_bytes > payload.size()) {
    return DataLoss(StrCat("operation with a key of ", key_bytes, " bytes in ",
                           payload.size()));
  }
  return OperationView{static_cast<OperationKind>(kind),
                       payload.substr(0, key_bytes), payload.substr(key_bytes)};
}

OperationView Operation::view() const {
  const std::string_view payload = payload_;
  std::string_view rest = payload;
  std::uint32_t key_bytes = 0;
  (void)TakeLittleEndian(&rest, &key_bytes);
  return {kind_, rest.substr(0, key_bytes), rest.substr(key_bytes)};
}

}  // namespace kvnode
