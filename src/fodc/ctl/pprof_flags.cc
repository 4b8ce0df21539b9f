// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/pprof_flags.h"

#include <CLI/CLI.hpp>
#include <limits>

namespace fodc::ctl {

void PprofFlags::AddTo(CLI::App* app) {
  CLI::App* pprof = app->add_subcommand(
      "pprof", "What profiles of heaps, stacks and CPU say, without a proxy");
  pprof->require_subcommand(1);
  top_ = pprof->add_subcommand("top", "The functions that have the most");
  AddFile(top_, &command_.path, "file");
  AddReport(top_);
  diff_ = pprof->add_subcommand(
      "diff", "The functions that have more or less than in another profile");
  AddFile(diff_, &command_.base, "base");
  AddFile(diff_, &command_.path, "file");
  AddReport(diff_);
  raw_ = pprof->add_subcommand("raw", "All of a profile, as text");
  AddFile(raw_, &command_.path, "file");
}

void PprofFlags::AddFile(CLI::App* app, std::string* path,
                         const std::string& name) {
  app->add_option(name, *path,
                  name == "base" ? "The profile to compare with"
                                 : "profile.proto, gzipped or not, or a heap "
                                   "as jemalloc, gperftools or Go write it")
      ->required()
      ->type_name("FILE");
}

void PprofFlags::AddReport(CLI::App* app) {
  app->add_option("--sample-type", command_.sample_type,
                  "What to count: inuse_space, cpu, ..., or its number; the "
                  "profile's own choice if absent")
      ->type_name("TYPE");
  app->add_option("--count", command_.count, "So many functions at most")
      ->check(CLI::Range(std::uint64_t{1},
                         std::numeric_limits<std::uint64_t>::max())
                  .description(""))
      ->type_name("COUNT");
  app->add_flag("--cum", command_.by_cum,
                "Order by cum, not by flat: with what a function calls");
  app->add_flag("--all", command_.all,
                "Also functions whose cum is less than 0.5 %");
  app->add_flag("--json", command_.json, "One JSON object");
}

std::optional<PprofCommand> PprofFlags::Parsed() const {
  PprofCommand command = command_;
  if (top_->parsed()) {
    command.action = PprofCommand::Action::kTop;
  } else if (diff_->parsed()) {
    command.action = PprofCommand::Action::kDiff;
  } else if (raw_->parsed()) {
    command.action = PprofCommand::Action::kRaw;
  } else {
    return std::nullopt;
  }
  return command;
}

}  // namespace fodc::ctl
