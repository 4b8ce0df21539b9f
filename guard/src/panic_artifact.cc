// SPDX-License-Identifier: Apache-2.0
#include "panic_artifact.h"

#include <cerrno>
#include <memory>
#include <vector>

#include "artifact.h"
#include "fodc/base/strings.h"
#include "record.h"

namespace fodc::guard {

std::string PanicJson(const PanicRecord& record) {
  const std::unique_ptr<char[]> memory(new char[kMaxRecordBytes]);
  RecordBuffer out(memory.get(), kMaxRecordBytes);
  out.Append("{");
  if (!record.metadata.empty()) {
    out.Key("processMetadata");
    out.Append("{");
    AppendMetadata(record.metadata, &out);
    out.Append("}");
  }
  const StateDumpOutcome& dump = record.state_dump;
  if (!dump.path.empty() || !dump.error.empty() || dump.truncated) {
    out.Key("stateDump");
    out.Append("{");
    if (!dump.path.empty()) {
      out.Key("path");
      out.AppendString(dump.path);
    }
    if (!dump.error.empty()) {
      out.Key("error");
      out.AppendString(dump.error);
    }
    if (dump.truncated) {
      out.Key("truncated");
      out.Append("true");
    }
    out.Append("}");
  }
  out.Key("component");
  out.AppendString(record.component);
  out.Key("panicValue");
  out.AppendString(record.value);
  out.Key("goroutineStack");
  out.AppendString(std::string_view(record.stack).substr(0, kMaxStackBytes));
  out.Key("occurredAt");
  out.AppendTime(record.occurred_at);
  std::vector<const Breadcrumb*> breadcrumbs;
  for (const Breadcrumb& b : record.breadcrumbs) breadcrumbs.push_back(&b);
  AppendBreadcrumbs(breadcrumbs, &out);
  out.Key("recovered");
  out.Append(record.recovered ? "true" : "false");
  out.Key("artifactId");
  out.AppendString(record.artifact_id);
  out.Append("}");
  return std::string(out.text());
}

Status WritePanicArtifact(const std::string& root, std::size_t max_artifacts,
                          const PanicRecord& record, const std::string& dump) {
  const char* const path = root.c_str();
  const std::string& id = record.artifact_id;
  int error = MakeArtifact(path, id);
  if (error != 0) return ErrnoStatus(error, StrCat("mkdir ", root, "/", id));
  PanicRecord written = record;
  if (!dump.empty()) {
    error = WriteIntoArtifact(path, id, kStateDumpFile, dump);
    if (error != 0) {
      written.state_dump.path.clear();
      written.state_dump.error =
          ErrnoStatus(error, "write the state dump").message();
    }
  }
  error = WriteIntoArtifact(path, id, kPanicFile, PanicJson(written));
  if (error != 0) {
    RemoveUnfinished(path, id);
    return ErrnoStatus(error, StrCat("write ", root, "/", id));
  }
  // What is one too many is met again by the next pruning.
  (void)PruneArtifacts(path, max_artifacts, id);
  return OkStatus();
}

}  // namespace fodc::guard
