// SPDX-License-Identifier: Apache-2.0
#include "record.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"

namespace fodc::guard {

Metadata ProcessMetadata(const ModuleTable& modules) {
  Metadata all;
  all.emplace_back("pid", StrCat(::getpid()));
  all.emplace_back("started_at", FormatRfc3339(SystemClock().Unix(), 9));
  if (const Module* program = modules.program()) {
    all.emplace_back("executable", program->path);
    if (!program->build_id.empty()) {
      all.emplace_back("build_id", program->build_id);
    }
  }
  utsname names{};
  if (::uname(&names) == 0) {
    all.emplace_back("host", names.nodename);
    all.emplace_back("kernel", names.release);
  }
  return all;
}

Metadata Merge(Metadata first, const Metadata& second) {
  std::map<std::string, std::string> merged(first.begin(), first.end());
  for (const auto& [key, value] : second) merged[key] = value;
  return {merged.begin(), merged.end()};
}

Status CheckMetadata(const Metadata& all) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : all) bytes += key.size() + value.size();
  if (bytes <= kMaxMetadataBytes) return OkStatus();
  return InvalidArgument(StrCat("metadata of ", bytes, " bytes; the limit is ",
                                kMaxMetadataBytes));
}

void AppendMetadata(const Metadata& all, RecordBuffer* out) {
  for (const auto& [key, value] : all) {
    out->Key(key);
    out->AppendString(value);
  }
}

namespace {

void AppendBreadcrumb(const Breadcrumb& b, RecordBuffer* out) {
  out->Next();
  out->Append("{");
  if (!b.fields.empty()) {
    out->Key("fields");
    out->Append("{");
    AppendMetadata(b.fields, out);
    out->Append("}");
  }
  out->Key("time");
  out->AppendTime(b.time);
  out->Key("stage");
  out->AppendString(b.stage);
  if (!b.component.empty()) {
    out->Key("component");
    out->AppendString(b.component);
  }
  out->Append("}");
}

}  // namespace

void AppendBreadcrumbs(std::span<const Breadcrumb* const> all,
                       RecordBuffer* out) {
  if (all.empty()) return;
  out->Key("breadcrumbs");
  out->Append("[");
  const std::size_t begin = out->size();
  for (const Breadcrumb* b : all) {
    const std::size_t before = out->size();
    AppendBreadcrumb(*b, out);
    if (out->is_full() || out->size() - begin > kMaxBreadcrumbBytes) {
      out->Truncate(before);
    }
  }
  out->Append("]");
}

void AppendFrames(std::span<const std::uintptr_t> frames,
                  const ModuleTable& modules, RecordBuffer* out,
                  std::size_t number) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    out->Append("  #");
    out->AppendUint(number + i);
    out->Append(" ");
    out->AppendHex(frames[i]);
    if (const Module* m = modules.Find(frames[i])) {
      out->Append(" ");
      out->Append(m->path);
      out->Append("+");
      out->AppendHex(frames[i] - m->bias);
    }
    out->Append("\n");
  }
}

void AppendModules(const ModuleTable& modules, RecordBuffer* out) {
  out->Append("modules:\n");
  for (const Module& m : modules.modules()) {
    out->Append("  ");
    out->Append(m.path);
    out->Append(m.build_id.empty() ? " no build-id" : " build-id ");
    out->Append(m.build_id);
    out->Append("\n");
  }
}

}  // namespace fodc::guard
