// SPDX-License-Identifier: Apache-2.0
// Small profiles for tests, written as stacks of names.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/pprof/profile.h"
#include "fodc/pprof/profile_fields.h"
#include "fodc/pprof/wire.h"

namespace fodc::pprof {

struct ProfileText {
  struct Sample {
    // Innermost first. "a<b": one location, a inlined into b; "@/bin/x": one
    // without a name, of that file.
    std::vector<std::string> stack;
    std::int64_t value = 0;
  };
  std::vector<Sample> samples;
  std::string type = "space";
  std::string unit = "bytes";
  std::string drop_frames;
  std::string keep_frames;
};

class ProfileMaker {
 public:
  std::string Make(const ProfileText& text) {
    String("");
    WireMessage part;
    part.Uint(kValueTypeType, String(text.type));
    part.Uint(kValueTypeUnit, String(text.unit));
    message_.Bytes(kProfileSampleType, part.bytes());
    message_.Uint(kProfileDropFrames, String(text.drop_frames));
    message_.Uint(kProfileKeepFrames, String(text.keep_frames));
    for (const ProfileText::Sample& s : text.samples) {
      WireMessage sample;
      for (const std::string& frame : s.stack) {
        sample.Item(kSampleLocationId, Location(frame));
      }
      sample.Item(kSampleValue, static_cast<std::uint64_t>(s.value));
      message_.Bytes(kProfileSample, sample.bytes());
    }
    return std::string(message_.bytes());
  }

 private:
  std::uint64_t String(const std::string& text) {
    const auto [it, is_new] = strings_.emplace(text, strings_.size());
    if (is_new) message_.Bytes(kProfileStringTable, text);
    return it->second;
  }

  std::uint64_t Location(const std::string& frame) {
    const auto [it, is_new] = locations_.emplace(frame, locations_.size() + 1);
    if (!is_new) return it->second;
    WireMessage location;
    location.Uint(kLocationId, it->second);
    location.Uint(kLocationAddress, 0x1000 + it->second);
    if (frame.starts_with('@')) {
      WireMessage mapping;
      mapping.Uint(kMappingId, it->second);
      mapping.Uint(kMappingFilename, String(frame.substr(1)));
      message_.Bytes(kProfileMapping, mapping.bytes());
      location.Uint(kLocationMappingId, it->second);
    } else {
      for (const std::string_view name : Split(frame, '<')) {
        WireMessage line;
        line.Uint(kLineFunctionId, Function(std::string(name)));
        line.Uint(kLineLine, 7);
        location.Bytes(kLocationLine, line.bytes());
      }
    }
    message_.Bytes(kProfileLocation, location.bytes());
    return it->second;
  }

  std::uint64_t Function(const std::string& name) {
    const auto [it, is_new] = functions_.emplace(name, functions_.size() + 1);
    if (!is_new) return it->second;
    WireMessage function;
    function.Uint(kFunctionId, it->second);
    function.Uint(kFunctionName, String(name));
    message_.Bytes(kProfileFunction, function.bytes());
    return it->second;
  }

  WireMessage message_;
  std::map<std::string, std::uint64_t> strings_;
  std::map<std::string, std::uint64_t> locations_;
  std::map<std::string, std::uint64_t> functions_;
};

inline Profile MakeProfile(const ProfileText& text) {
  auto p = ReadProfile(ProfileMaker().Make(text));
  EXPECT_TRUE(p.ok()) << p.status().message();
  return p.ok() ? *std::move(p) : Profile();
}

inline Profile MakeProfile(std::vector<ProfileText::Sample> samples) {
  ProfileText text;
  text.samples = std::move(samples);
  return MakeProfile(text);
}

}  // namespace fodc::pprof
