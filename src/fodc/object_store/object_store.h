// SPDX-License-Identifier: Apache-2.0
// One face of every store: a directory, S3, Google Cloud Storage, Azure Blobs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/object_store/blob.h"
#include "fodc/object_store/digests.h"
#include "fodc/object_store/object_info.h"

namespace fodc::object_store {

struct ListRequest {
  std::string prefix{};
  // Keys that have it behind the prefix are told as one of `prefixes`; empty:
  // none.
  std::string delimiter{};
  std::string token{};       // of the page before; empty: the first
  std::size_t max_keys = 0;  // 0: as many as the store gives
};

struct PutOptions {
  std::stop_token stop{};
  bool only_if_absent = false;  // else it is replaced
  // Sessions of large uploads are kept beneath this name, to be resumed by the
  // next Put of the same bytes to the same key; empty: not resumed.
  std::string session{};
};

struct GetOptions {
  std::stop_token stop{};
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> bytes{};  // to the end
};

// Called with each piece of an object, in order; a failure ends the transfer.
using ByteSink = std::function<Status(std::string_view piece)>;

// Each call blocks until it is done, with its retries, or its `stop` is
// requested (kCancelled). Thread-safe.
//
// Errors, of every call: kInvalidArgument for keys that the store does not
// allow, kNotFound, kPermissionDenied, kUnauthenticated, kAlreadyExists
// (only_if_absent), kResourceExhausted (the destination is full), kDataLoss
// (what came is not what its digest says), kUnavailable once retries are used
// up. Messages name store, operation, key, HTTP status, the service's code and
// its request's id; never a secret.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // "s3://bucket/base", without secrets; for people.
  virtual const std::string& name() const = 0;
  // Whether pages of List come in order; if not, the whole must be sorted.
  virtual bool lists_in_order() const { return true; }
  // Up to this many bytes an object goes in one request.
  virtual std::uint64_t single_put_bytes() const = 0;
  // What Put needs to be told beside SHA-256.
  virtual DigestKinds digest_kinds() const = 0;

  // What the first access of a backup does where it is missing: the container
  // of Azure, the directory of a file store. Never called by a restore.
  virtual Status Prepare(std::stop_token stop) = 0;
  // Whether Prepare makes what is missing, so that nothing there means that
  // nothing was backed up yet.
  virtual bool prepares() const { return false; }
  virtual Result<ListPage> List(const ListRequest& request,
                                std::stop_token stop) = 0;
  virtual Result<ObjectInfo> Head(std::string_view key,
                                  std::stop_token stop) = 0;
  // The object appears whole or not at all, with its digests as metadata; for
  // readers, and to stay, by the next Sync at the latest.
  virtual Status Put(std::string_view key, const Blob& blob,
                     const Digests& digests, const PutOptions& options) = 0;
  // What has been put survives a crash of the machine. A failure is told to all
  // who ask from then on, until Prepare: it may be of what another has put.
  virtual Status Sync(std::stop_token stop) = 0;
  // What is read whole is compared with the digest that the store has; a
  // mismatch is kDataLoss, after the last piece.
  virtual Result<ObjectInfo> Get(std::string_view key,
                                 const GetOptions& options,
                                 const ByteSink& sink) = 0;
  // Those that are not there count as deleted. The first failure, if any, with
  // the key that it is of; all are tried.
  virtual Status Delete(const std::vector<std::string>& keys,
                        std::stop_token stop) = 0;
  // Within the store, bytes unchanged; kUnimplemented where it cannot.
  virtual Status Copy(std::string_view from, std::string_view to,
                      std::stop_token stop) = 0;
};

}  // namespace fodc::object_store
