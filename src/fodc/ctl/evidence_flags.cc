// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/evidence_flags.h"

#include <CLI/CLI.hpp>

#include "fodc/base/strings.h"
#include "fodc/ctl/output_flag.h"

namespace fodc::ctl {
namespace {

// A name is one step of the URL's path, and must not lead out of it.
std::string CheckName(const std::string& name) {
  if (name.empty()) return "must not be empty";
  if (name == "." || name == ".." || name.find('/') != std::string::npos)
    return StrCat("must be a name, not '", name, "'");
  return "";
}

}  // namespace

void EvidenceFlags::AddTo(CLI::App* app) {
  CLI::App* incident = app->add_subcommand(
      "incident", "One incident of a proxy, and the evidence of it");
  incident->require_subcommand(1);
  show_ = AddIncident(incident, "show",
                      "What it was, and the events captured because of it");
  AddOutputFlag(show_, &incident_.json, "the proxy's answer as it is");
  get_ = AddIncident(incident, "get",
                     "Downloads its evidence as a capsule, and checks it");
  get_->add_option("--file", incident_.path,
                   "Where to; ID.tar.zst of the event, in this directory, if "
                   "absent")
      ->type_name("PATH");
  get_->add_flag("--force", incident_.force, "Replace a file that is there");
  pin_ = AddIncident(incident, "pin",
                     "Keeps its evidence, whatever the limits of retention");
  unpin_ = AddIncident(incident, "unpin", "Takes that back");

  CLI::App* capsule = app->add_subcommand(
      "capsule", "Evidence of an incident in a file, without a proxy");
  capsule->require_subcommand(1);
  open_ = capsule->add_subcommand(
      "open", "Checks a capsule and tells what is in it, and what it tells");
  open_->add_option("file", capsule_.path, "A capsule, as incident get made it")
      ->required()
      ->type_name("FILE");
  open_
      ->add_option("--extract", capsule_.directory,
                   "Also put its files into a directory below this one, of "
                   "the event's name")
      ->type_name("DIR");
  AddOutputFlag(open_, &capsule_.json, "one object");
}

CLI::App* EvidenceFlags::AddIncident(CLI::App* app, const std::string& name,
                                     const std::string& help) {
  CLI::App* command = app->add_subcommand(name, help);
  command->add_option("pod", incident_.pod_name, "The pod of its node")
      ->required()
      ->check(CheckName)
      ->type_name("POD");
  command->add_option("id", incident_.id, "Of the incident, or of one event")
      ->required()
      ->check(CheckName)
      ->type_name("ID");
  return command;
}

std::optional<CapsuleCommand> EvidenceFlags::Capsule() const {
  return open_->parsed() ? std::optional(capsule_) : std::nullopt;
}

std::optional<IncidentCommand> EvidenceFlags::Incident() const {
  IncidentCommand command = incident_;
  if (show_->parsed()) {
    command.action = IncidentCommand::Action::kShow;
  } else if (get_->parsed()) {
    command.action = IncidentCommand::Action::kGet;
  } else if (pin_->parsed()) {
    command.action = IncidentCommand::Action::kPin;
  } else if (unpin_->parsed()) {
    command.action = IncidentCommand::Action::kUnpin;
  } else {
    return std::nullopt;
  }
  return command;
}

}  // namespace fodc::ctl
