// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/flags.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/program/config_lines.h"
#include "fodc/program/user_info.h"

namespace fodc::program {

using std::chrono::nanoseconds;

struct Flag::State {
  std::string name;
  std::string type;
  std::string help;
  std::string default_value;
  std::string source = "default";
  std::optional<std::string> alone;  // what the name without a value means
  bool secret = false;
  bool mask_user_info = false;
  bool is_list = false;
  // Takes the texts given (one, but for lists).
  std::function<Status(const std::vector<std::string>&)> set;
  std::function<std::string()> get;  // as it would be written
  std::function<double()> number;    // of the kinds that are one
  std::function<std::string(double)> show_number;
  std::vector<std::function<Status()>> checks;
  std::vector<std::string>* list = nullptr;
};

namespace {

// CLI11 takes `--flag=` for a flag whose value follows; this stands for the
// empty value on the way through it.
constexpr std::string_view kEmpty = "\x01";

std::string FormatNumber(double v) {
  char buffer[32];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
  return {buffer, r.ptr};
}

std::string FormatBytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return StrCat(bytes, kUnits[unit]);
}

std::string EnvironmentName(std::string_view prefix, std::string_view flag) {
  std::string name(prefix);
  for (const char c : flag) {
    name += c == '-' || c == '.'   ? '_'
            : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A')
                                   : c;
  }
  return name;
}

std::string Join(const std::vector<std::string>& values) {
  std::string out;
  for (const std::string& v : values) {
    if (!out.empty()) out += ',';
    out += v;
  }
  return out;
}

// Whether the text names the flag, not another that begins like it.
bool Names(std::string_view text, std::string_view flag) {
  const std::string name = StrCat("--", flag);
  for (std::size_t at = text.find(name); at != std::string_view::npos;
       at = text.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    const char next = end < text.size() ? text[end] : ' ';
    if (next != '-' && !(next >= 'a' && next <= 'z')) return true;
  }
  return false;
}

Status NotA(std::string_view text, std::string_view kind) {
  return InvalidArgument(StrCat("\"", ToValidUtf8(text), "\" is not ", kind));
}

}  // namespace

struct Flags::Impl {
  std::string program;
  std::string summary;
  std::string version;
  std::string env_prefix;
  std::vector<std::unique_ptr<Flag::State>> flags;
  std::vector<std::function<Status()>> checks;
  std::string config_file;
  bool config_is_given = false;  // --config= too: no file
  bool config_is_from_environment = false;

  Flag::State* Find(std::string_view name) {
    const auto it =
        std::find_if(flags.begin(), flags.end(),
                     [&](const auto& f) { return f->name == name; });
    return it == flags.end() ? nullptr : it->get();
  }
  Flag::State* Add(std::string name, std::string type, std::string help);
  Status Run(const std::vector<std::string>& given);
  // The command line as CLI11 takes it, and which flags it names.
  Result<std::vector<std::string>> Prepare(
      const std::vector<std::string>& given);
  std::optional<std::string> Environment(const std::string& flag) const;
  // Which of the flags named in the message came from elsewhere than the
  // command line: " (from FODC_MAX_AGENTS)".
  std::string Origins(std::string_view message) const;
};

Flag::State* Flags::Impl::Add(std::string name, std::string type,
                              std::string help) {
  FODC_CHECK(Find(name) == nullptr && name != "help" && name != "version" &&
             name != "config");
  auto state = std::make_unique<Flag::State>();
  state->name = std::move(name);
  state->type = std::move(type);
  state->help = std::move(help);
  flags.push_back(std::move(state));
  return flags.back().get();
}

std::optional<std::string> Flags::Impl::Environment(
    const std::string& flag) const {
  // Only main's thread is there while flags are parsed.
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* v = std::getenv(EnvironmentName(env_prefix, flag).c_str());
  if (v == nullptr || *v == '\0') return std::nullopt;
  return v;
}

Result<std::vector<std::string>> Flags::Impl::Prepare(
    const std::vector<std::string>& given) {
  std::vector<std::string> flags_given;
  config_file.clear();
  config_is_given = false;
  config_is_from_environment = false;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string& token = given[i];
    if (token == "--" && i + 1 == given.size()) break;
    if (token.size() > 1 && token[0] == '-' && token[1] != '-') {
      return InvalidArgument("unknown flag " + ToValidUtf8(token));
    }
    if (!token.starts_with("--") || token == "--") {
      return InvalidArgument(
          StrCat("unexpected argument \"",
                 ToValidUtf8(token == "--" ? given[i + 1] : token), "\""));
    }
    const std::size_t equals = token.find('=');
    const std::string name = token.substr(
        2, equals == std::string::npos ? std::string::npos : equals - 2);
    Flag::State* flag = Find(name);
    if (flag == nullptr && name != "config") {
      return InvalidArgument("unknown flag --" + ToValidUtf8(name));
    }
    std::string value;
    if (equals != std::string::npos) {
      value = token.substr(equals + 1);
    } else if (flag != nullptr && flag->alone) {
      value = *flag->alone;
    } else if (i + 1 < given.size()) {
      value = given[++i];
    } else {
      return InvalidArgument("--" + name + " needs a value");
    }
    if (flag != nullptr) flag->source = "flag";
    if (flag == nullptr) {
      config_file = value;
      config_is_given = true;
    }
    if (flag == nullptr && value.empty()) continue;  // --config=: no file
    flags_given.push_back(
        StrCat("--", name, "=", value.empty() ? kEmpty : value));
  }
  for (const auto& flag : flags) {
    if (flag->source == "flag") continue;
    if (const auto value = Environment(flag->name)) {
      flag->source = "env";
      flags_given.push_back(StrCat("--", flag->name, "=", *value));
    }
  }
  return flags_given;
}

std::string Flags::Impl::Origins(std::string_view message) const {
  std::vector<std::pair<std::string, std::string>> origins;
  for (const auto& f : flags) {
    if (!Names(message, f->name)) continue;
    if (f->source == "env") {
      origins.emplace_back(f->name, EnvironmentName(env_prefix, f->name));
    } else if (f->source == "file") {
      origins.emplace_back(f->name, WhereSet(config_file, f->name));
    }
  }
  if (config_is_from_environment && Names(message, "config"))
    origins.emplace_back("config", EnvironmentName(env_prefix, "config"));
  std::string text;
  for (const auto& [flag, origin] : origins) {
    text += text.empty() ? " (" : "; ";
    if (origins.size() > 1) text += StrCat("--", flag, ' ');
    text += StrCat("from ", origin);
  }
  return text.empty() ? text : text + ")";
}

Status Flags::Impl::Run(const std::vector<std::string>& given) {
  FODC_ASSIGN_OR_RETURN(std::vector<std::string> arguments_for_cli,
                        Prepare(given));
  CLI::App app;
  app.set_help_flag();
  if (const auto v = Environment("config"); v && !config_is_given) {
    config_is_from_environment = true;
    config_file = *v;
    arguments_for_cli.push_back("--config=" + *v);
  }
  app.set_config("--config", "", "", false);
  app.allow_config_extras(CLI::config_extras_mode::error);
  Status failure;
  for (const auto& owned : flags) {
    Flag::State* flag = owned.get();
    app.add_option("--" + flag->name,
                   [flag, &failure](const CLI::results_t& results) {
                     std::vector<std::string> texts;
                     for (const std::string& r : results) {
                       texts.push_back(r == kEmpty ? std::string() : r);
                     }
                     if (flag->source == "default") flag->source = "file";
                     const Status s = flag->set(texts);
                     if (!s.ok() && failure.ok()) {
                       failure = s.WithContext("--" + flag->name);
                     }
                     return true;
                   })
        ->multi_option_policy(flag->is_list ? CLI::MultiOptionPolicy::TakeAll
                                            : CLI::MultiOptionPolicy::TakeLast);
  }
  try {
    std::reverse(arguments_for_cli.begin(), arguments_for_cli.end());
    app.parse(std::move(arguments_for_cli));
  } catch (const CLI::FileError& e) {
    return NotFound(StrCat("--config: ", e.what()));
  } catch (const CLI::Error& e) {
    // The command line has been looked through before.
    const auto where = FirstBadLine(config_file, [this](std::string_view name) {
      return Find(name) != nullptr;
    });
    if (where) return InvalidArgument(*where);
    return InvalidArgument(config_file.empty()
                               ? std::string(e.what())
                               : StrCat(config_file, ": ", e.what()));
  }
  FODC_RETURN_IF_ERROR(failure);
  for (const auto& flag : flags) {
    for (const auto& check : flag->checks) {
      FODC_RETURN_IF_ERROR(check().WithContext("--" + flag->name));
    }
  }
  for (const auto& check : checks) FODC_RETURN_IF_ERROR(check());
  return OkStatus();
}

Flags::Flags(std::string program, std::string summary, std::string version,
             std::string env_prefix)
    : impl_(std::make_unique<Impl>()) {
  impl_->program = std::move(program);
  impl_->summary = std::move(summary);
  impl_->version = std::move(version);
  impl_->env_prefix = std::move(env_prefix);
}
Flags::~Flags() = default;

Flag Flags::String(std::string name, std::string* value, std::string help) {
  Flag::State* f = impl_->Add(std::move(name), "string", std::move(help));
  f->get = [value] { return *value; };
  f->set = [value](const std::vector<std::string>& texts) {
    *value = texts.back();
    return OkStatus();
  };
  f->default_value = f->get();
  return Flag(f);
}

Flag Flags::Bool(std::string name, bool* value, std::string help) {
  Flag::State* f = impl_->Add(std::move(name), "bool", std::move(help));
  f->alone = "true";
  f->get = [value] { return std::string(*value ? "true" : "false"); };
  f->set = [value](const std::vector<std::string>& texts) -> Status {
    // What Go's strconv.ParseBool takes.
    const std::string& t = texts.back();
    if (t == "1" || t == "t" || t == "T" || EqualsIgnoreCase(t, "true")) {
      *value = true;
    } else if (t == "0" || t == "f" || t == "F" ||
               EqualsIgnoreCase(t, "false")) {
      *value = false;
    } else {
      return NotA(t, "true or false");
    }
    return OkStatus();
  };
  f->default_value = f->get();
  return Flag(f);
}

Flag Flags::Int(std::string name, std::int64_t* value, std::string help) {
  Flag::State* f = impl_->Add(std::move(name), "int", std::move(help));
  f->get = [value] { return StrCat(*value); };
  f->set = [value](const std::vector<std::string>& texts) -> Status {
    std::string_view text = texts.back();
    const bool negative = ConsumePrefix(&text, "-");
    const auto n = ParseUint(text);
    if (!n || *n > static_cast<std::uint64_t>(
                       std::numeric_limits<std::int64_t>::max())) {
      return NotA(texts.back(), "a whole number");
    }
    const auto magnitude = static_cast<std::int64_t>(*n);
    *value = negative ? -magnitude : magnitude;
    return OkStatus();
  };
  f->number = [value] { return static_cast<double>(*value); };
  f->show_number = [](double v) {
    return StrCat(static_cast<std::int64_t>(v));
  };
  f->default_value = f->get();
  return Flag(f);
}

Flag Flags::Float(std::string name, double* value, std::string help) {
  Flag::State* f = impl_->Add(std::move(name), "float", std::move(help));
  f->get = [value] { return FormatNumber(*value); };
  f->set = [value](const std::vector<std::string>& texts) -> Status {
    const auto n = ParseDouble(texts.back());
    if (!n) return NotA(texts.back(), "a number");
    *value = *n;
    return OkStatus();
  };
  f->number = [value] { return *value; };
  f->show_number = FormatNumber;
  f->default_value = f->get();
  return Flag(f);
}

Flag Flags::Duration(std::string name, nanoseconds* value, std::string help) {
  Flag::State* f = impl_->Add(std::move(name), "duration", std::move(help));
  f->get = [value] { return FormatGoDuration(*value); };
  f->set = [value](const std::vector<std::string>& texts) -> Status {
    const auto d = ParseGoDuration(texts.back());
    if (!d.ok()) return NotA(texts.back(), "a duration such as 10s or 1m30s");
    *value = *d;
    return OkStatus();
  };
  f->number = [value] { return static_cast<double>(value->count()); };
  f->show_number = [](double v) {
    return FormatGoDuration(nanoseconds(static_cast<std::int64_t>(v)));
  };
  f->default_value = f->get();
  return Flag(f);
}

Flag Flags::Bytes(std::string name, std::uint64_t* value, std::string help) {
  Flag::State* f = impl_->Add(std::move(name), "bytes", std::move(help));
  f->get = [value] { return FormatBytes(*value); };
  f->set = [value](const std::vector<std::string>& texts) -> Status {
    const auto n = ParseBytes(texts.back());
    if (!n.ok()) {
      return NotA(texts.back(),
                  "a size such as 1048576 or 10MiB (units up to TiB)");
    }
    *value = *n;
    return OkStatus();
  };
  f->number = [value] { return static_cast<double>(*value); };
  f->show_number = [](double v) {
    return FormatBytes(static_cast<std::uint64_t>(v));
  };
  f->default_value = f->get();
  return Flag(f);
}

Flag Flags::List(std::string name, std::vector<std::string>* value,
                 std::string help) {
  Flag::State* f = impl_->Add(std::move(name), "list", std::move(help));
  f->is_list = true;
  f->list = value;
  f->get = [value] { return Join(*value); };
  f->set = [value](const std::vector<std::string>& texts) {
    value->clear();
    for (const std::string& text : texts) {
      if (text.empty()) continue;
      for (const std::string_view piece : Split(text, ',')) {
        value->emplace_back(Trim(piece));
      }
    }
    return OkStatus();
  };
  f->default_value = f->get();
  return Flag(f);
}

Flag Flags::Texts(std::string name, std::vector<std::string>* value,
                  std::string help) {
  const Flag flag = List(std::move(name), value, std::move(help));
  impl_->flags.back()->set = [value](const std::vector<std::string>& texts) {
    *value = texts;
    std::erase(*value, "");
    return OkStatus();
  };
  return flag;
}

void Flags::CheckAll(std::function<Status()> check) {
  impl_->checks.push_back(std::move(check));
}

ParseOutcome Flags::Parse(int argc, const char* const* argv) {
  return Parse(std::vector<std::string>(argv + 1, argv + std::max(argc, 1)));
}

ParseOutcome Flags::Parse(const std::vector<std::string>& arguments) {
  ParseOutcome outcome;
  for (const std::string& a : arguments) {
    if (a == "--") break;
    if (a == "--help" || a == "-h") outcome.out = Help();
    if (a == "--version") {
      outcome.out = StrCat(impl_->program, ' ', impl_->version, '\n');
    }
    if (!outcome.out.empty()) return outcome;
  }
  const Status s = impl_->Run(arguments);
  outcome.run = s.ok();
  if (!s.ok()) {
    outcome.exit_code = 2;
    outcome.error = UsageError(MaskUserInfoInText(s.message()));
  }
  return outcome;
}

std::string Flags::UsageError(std::string_view message) const {
  return StrCat(impl_->program, ": ", message, impl_->Origins(message),
                "\nSee ", impl_->program, " --help.\n");
}

std::vector<FlagInfo> Flags::Listing() const {
  std::vector<FlagInfo> out;
  for (const auto& f : impl_->flags) {
    out.push_back({f->name, f->type, f->default_value, f->help});
  }
  out.push_back({"config", "string", "",
                 "file of `flag = value` lines; flags and environment go "
                 "before it"});
  out.push_back({"help", "bool", "false", "print this and exit"});
  out.push_back({"version", "bool", "false", "print the version and exit"});
  return out;
}

std::string Flags::Help() const {
  std::string out = StrCat(impl_->program, ": ", impl_->summary,
                           "\n\nUsage: ", impl_->program, " [flags]");
  out +=
      StrCat("\n\nEvery flag is also read from the environment, as ",
             EnvironmentName(impl_->env_prefix, "flag-name"), ".\n\nFlags:\n");
  for (const FlagInfo& f : Listing()) {
    out += StrCat("  --", f.name, ' ', f.type, " (default \"", f.default_value,
                  "\")\n      ", f.help, '\n');
  }
  return out;
}

std::vector<EffectiveValue> Flags::EffectiveValues() const {
  std::vector<EffectiveValue> out;
  for (const auto& f : impl_->flags) {
    std::string value = f->get();
    if (f->secret && !value.empty()) value = "***";
    if (f->mask_user_info) value = MaskUserInfo(value);
    out.push_back({f->name, std::move(value), f->source});
  }
  return out;
}

Flag& Flag::AtLeast(double min) {
  FODC_CHECK(state_->number != nullptr);
  state_->checks.emplace_back([s = state_, min]() -> Status {
    if (s->number() >= min) return OkStatus();
    return InvalidArgument(
        StrCat(s->get(), " is less than the minimum of ", s->show_number(min)));
  });
  return *this;
}

Flag& Flag::AtMost(double max) {
  FODC_CHECK(state_->number != nullptr);
  state_->checks.emplace_back([s = state_, max]() -> Status {
    if (s->number() <= max) return OkStatus();
    return InvalidArgument(
        StrCat(s->get(), " is more than the maximum of ", s->show_number(max)));
  });
  return *this;
}

Flag& Flag::AtLeast(nanoseconds min) {
  return AtLeast(static_cast<double>(min.count()));
}
Flag& Flag::AtMost(nanoseconds max) {
  return AtMost(static_cast<double>(max.count()));
}

Flag& Flag::OneOf(std::vector<std::string> values) {
  state_->checks.emplace_back([s = state_, v = std::move(values)]() -> Status {
    const std::vector<std::string> given =
        s->list != nullptr ? *s->list : std::vector<std::string>{s->get()};
    for (const std::string& g : given) {
      if (std::find(v.begin(), v.end(), g) != v.end()) continue;
      return InvalidArgument(
          StrCat("\"", ToValidUtf8(g), "\" is not one of ", Join(v)));
    }
    return OkStatus();
  });
  return *this;
}

Flag& Flag::Alone(std::string value) {
  state_->alone = std::move(value);
  return *this;
}

Flag& Flag::NotEmpty() {
  state_->checks.emplace_back([s = state_]() -> Status {
    if (!s->get().empty()) return OkStatus();
    return InvalidArgument("must not be empty");
  });
  return *this;
}

Flag& Flag::Check(std::function<Status(const std::string&)> check) {
  state_->checks.emplace_back(
      [s = state_, c = std::move(check)] { return c(s->get()); });
  return *this;
}

Flag& Flag::Secret() {
  state_->secret = true;
  return *this;
}

Flag& Flag::MaskUserInfo() {
  state_->mask_user_info = true;
  return *this;
}

}  // namespace fodc::program
