// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/memory_store_testing.h"

namespace fodc::backup {
namespace {

using object_store::ListPage;
using object_store::ListRequest;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<std::vector<std::string>> KeysOf(object_store::ObjectStore& store) {
  Listing listing(store, "a/", {});
  std::vector<std::string> keys;
  for (;;) {
    FODC_ASSIGN_OR_RETURN(auto info, listing.Next());
    if (!info) return keys;
    keys.push_back(info->key);
  }
}

TEST(ListingTest, GoesOverAllPages) {
  object_store::MemoryStore store{SystemClock()};
  for (const char* key : {"a/1", "a/2", "a/3", "a/4", "a/5", "b/1"})
    store.Set(key, "x");
  store.page_keys = 2;
  EXPECT_THAT(KeysOf(store),
              IsOkAndHolds(ElementsAre("a/1", "a/2", "a/3", "a/4", "a/5")));
}

// Answers pages as the test has them.
class PagesStore final : public object_store::MemoryStore {
 public:
  using MemoryStore::MemoryStore;
  Result<ListPage> List(const ListRequest& request, std::stop_token) override {
    return page(request);
  }
  std::function<ListPage(const ListRequest&)> page;
};

TEST(ListingTest, OneThatRepeatsOrNeverEndsIsAnError) {
  PagesStore store{SystemClock()};
  store.page = [](const ListRequest&) {
    return ListPage{.objects = {{.key = "a/1"}, {.key = "a/2"}},
                    .next_token = "same"};
  };
  EXPECT_THAT(KeysOf(store),
              StatusIs(Code::kDataLoss, HasSubstr("a/1 comes behind a/2")));
  store.page = [](const ListRequest&) { return ListPage{.next_token = "x"}; };
  EXPECT_THAT(KeysOf(store),
              StatusIs(Code::kDataLoss, HasSubstr("without a key")));
  store.page = [](const ListRequest&) {
    return ListPage{.objects = {{.key = "b/1"}}};
  };
  EXPECT_THAT(KeysOf(store), StatusIs(Code::kDataLoss, _));
}

}  // namespace
}  // namespace fodc::backup
