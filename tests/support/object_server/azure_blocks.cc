// SPDX-License-Identifier: Apache-2.0
// Azure: blobs of blocks.
#include <algorithm>
#include <pugixml.hpp>
#include <utility>

#include "fodc/base/strings.h"
#include "tests/support/object_server/azure_service.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

constexpr std::size_t kMaxBlocks = 50'000;
constexpr std::size_t kMaxUncommitted = 100'000;

void AppendBlock(std::string* out, std::string_view id,
                 const Content& content) {
  out->append("<Block>");
  AppendElement(out, "Name", id);
  AppendElement(out, "Size", std::to_string(content.size()));
  out->append("</Block>");
}

using Blocks = std::map<std::string, Content>;

const Content* FindBlock(const Blocks& blocks, const std::string& id) {
  const auto it = blocks.find(id);
  return it == blocks.end() ? nullptr : &it->second;
}

}  // namespace

Response AzureService::PutBlock(Call* call) {
  const std::string id(call->request.Value("blockid"));
  const auto decoded = FromBase64(id);
  if (id.empty() || !decoded || decoded->size() > 64) {
    return Refuse(*call, 400, "InvalidQueryParameterValue",
                  "Value for one of the query parameters specified in the "
                  "request URI is invalid: blockid.");
  }
  Blocks& blocks = uncommitted_[{call->bucket, call->key}];
  const ObjectPtr there = world_.store.Find(call->bucket)->Get(call->key);
  const bool fits =
      (blocks.empty() || blocks.begin()->first.size() == id.size()) &&
      (there == nullptr || there->blocks.empty() ||
       there->blocks[0].id.size() == id.size());
  if (!fits) {
    return Refuse(*call, 400, "InvalidBlobOrBlock",
                  "The specified blob or block content is invalid: all block "
                  "ids of a blob have the same length.");
  }
  if (blocks.size() >= kMaxUncommitted) {
    return Refuse(*call, 409, "BlockCountExceedsLimit",
                  "The uncommitted block count cannot exceed the maximum limit "
                  "of 100,000 blocks.");
  }
  Content content;
  content.Append(call->body->TakePiece());
  blocks[id] = std::move(content);
  Response r;
  r.status = 201;
  if (!call->sums.md5.empty()) r.Add("Content-MD5", Base64(call->sums.md5));
  r.Add("x-ms-request-server-encrypted", "true");
  return r;
}

Response AzureService::PutBlockList(const Call& call) {
  pugi::xml_document document;
  const std::string_view text = call.body->text();
  const bool parsed =
      static_cast<bool>(document.load_buffer(text.data(), text.size()));
  const pugi::xml_node root = document.child("BlockList");
  if (!parsed || !root) {
    return Refuse(call, 400, "InvalidXmlDocument",
                  "XML specified is not syntactically valid.");
  }
  if (auto r = CheckConditions(call)) return std::move(*r);
  const Blocks& fresh = uncommitted_[{call.bucket, call.key}];
  const ObjectPtr there = world_.store.Find(call.bucket)->Get(call.key);
  Blocks old;
  if (there != nullptr) {
    for (const Block& b : there->blocks) old[b.id] = b.content;
  }
  auto object = NewObject(call);
  for (const pugi::xml_node& node : root.children()) {
    const std::string_view where = node.name();
    const std::string id(Trim(node.child_value()));
    const Content* block = nullptr;
    if (where == "Uncommitted" || where == "Latest") {
      block = FindBlock(fresh, id);
    }
    if (where == "Committed" || (where == "Latest" && block == nullptr)) {
      block = FindBlock(old, id);
    }
    if (block == nullptr) {
      return Refuse(call, 400, "InvalidBlockList",
                    "The specified block list is invalid.");
    }
    object->blocks.push_back({id, *block});
    object->content.Append(*block);
    if (object->blocks.size() > kMaxBlocks) {
      return Refuse(call, 400, "BlockListTooLong",
                    "The block list may not contain more than 50,000 blocks.");
    }
  }
  // Stored as it was said: nobody reads all blocks again.
  if (const auto md5 = call.request.Get("x-ms-blob-content-md5");
      !md5.empty()) {
    object->sums.md5 = FromBase64(md5).value_or("");
  }
  return Created(call, std::move(object));
}

Response AzureService::GetBlockList(const Call& call) {
  const std::string_view which = call.request.Value("blocklisttype");
  const ObjectPtr there = world_.store.Find(call.bucket)->Get(call.key);
  const auto it = uncommitted_.find({call.bucket, call.key});
  if (there == nullptr && it == uncommitted_.end()) {
    return Refuse(call, 404, "BlobNotFound",
                  "The specified blob does not exist.");
  }
  Response r;
  r.content_type = "application/xml";
  r.body = "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
  if (which != "uncommitted") {
    r.body += "<CommittedBlocks>";
    if (there != nullptr) {
      for (const Block& b : there->blocks)
        AppendBlock(&r.body, b.id, b.content);
    }
    r.body += "</CommittedBlocks>";
  }
  if (which == "uncommitted" || which == "all") {
    r.body += "<UncommittedBlocks>";
    if (it != uncommitted_.end()) {
      for (const auto& [id, content] : it->second) {
        AppendBlock(&r.body, id, content);
      }
    }
    r.body += "</UncommittedBlocks>";
  }
  r.body += "</BlockList>";
  if (there != nullptr) {
    r.Add("x-ms-blob-content-length", std::to_string(there->size()));
  }
  return r;
}

}  // namespace fodc::object_server
