// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/capsule_commands.h"

#include "fodc/base/strings.h"
#include "fodc/ctl/capsule_story.h"
#include "fodc/ctl/table.h"
#include "fodc/evidence/capsule_reader.h"

namespace fodc::ctl {

Status RunCapsule(const CapsuleCommand& command, Output* out, Output* errors,
                  bool* is_damaged) {
  FODC_ASSIGN_OR_RETURN(const CapsuleStory story,
                        ReadCapsuleStory(command.path));
  if (!command.directory.empty()) {
    FODC_ASSIGN_OR_RETURN(
        const evidence::CapsuleContent extracted,
        evidence::ExtractCapsule(command.path, command.directory));
    // Standard output has the story alone: it may be JSON.
    FODC_RETURN_IF_ERROR(errors->Append(
        StrCat("fodcctl: extracted ", extracted.files.size(), " files to ",
               command.directory, "/", extracted.id, "\n")));
  }
  *is_damaged |= !story.damage.empty();
  return out->Append(command.json ? CapsuleJson(story) : CapsuleText(story));
}

}  // namespace fodc::ctl
