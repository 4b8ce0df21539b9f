// SPDX-License-Identifier: Apache-2.0
// A callable that owns what it captures and is called by its one owner:
// std::function without copies (std::move_only_function is C++23).
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace fodc::net {

template <typename Signature>
class UniqueFunction;

// Empty after a move. Calling an empty one aborts.
template <typename R, typename... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}  // NOLINT(google-explicit-constructor)
  template <typename F>
  requires(!std::same_as<std::remove_cvref_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<R, F&, Args...>)
      UniqueFunction(F&& f)  // NOLINT(google-explicit-constructor): as a lambda
      : call_(std::make_unique<Holder<std::remove_cvref_t<F>>>(
            std::forward<F>(f))) {}

  explicit operator bool() const { return call_ != nullptr; }
  R operator()(Args... args) {
    return call_.get()->Call(std::forward<Args>(args)...);
  }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual R Call(Args... args) = 0;
  };
  template <typename F>
  struct Holder final : Base {
    explicit Holder(F&& f) : f_(std::move(f)) {}
    explicit Holder(const F& f) : f_(f) {}
    R Call(Args... args) override { return f_(std::forward<Args>(args)...); }
    F f_;
  };
  std::unique_ptr<Base> call_;
};

using Task = UniqueFunction<void()>;

}  // namespace fodc::net
