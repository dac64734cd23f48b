// A test framework that fits on a page: TEST(Name) { CHECK(...); }.
#ifndef XTP_COMMON_TESTING_TEST_H_
#define XTP_COMMON_TESTING_TEST_H_

#include <cstdint>
#include <iostream>
#include <string>
#include <type_traits>

namespace xtp {
namespace test {

struct Registration {
  Registration(const char* name, void (*function)());
};

// Notes a failure; the test goes on.
void Fail(const char* file, int line, const char* what);

template <typename T>
void Print(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    std::cerr << +static_cast<std::underlying_type_t<T>>(value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    std::cerr << +value;  // a uint8_t as a number
  } else {
    std::cerr << value;
  }
}

template <typename A, typename B>
void CheckEqual(const A& a, const B& b, const char* file, int line,
                const char* what) {
  if (a == b) return;
  Fail(file, line, what);
  std::cerr << "    ";
  Print(a);
  std::cerr << " != ";
  Print(b);
  std::cerr << "\n";
}

// Deterministic random numbers (splitmix64): a failure can be repeated.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t x = state_ += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
  // 0 <= result < limit
  uint32_t Below(uint64_t limit) {
    return static_cast<uint32_t>(Next() % limit);
  }
  bool OneIn(uint64_t n) { return Next() % n == 0; }

 private:
  uint64_t state_;
};

}  // namespace test
}  // namespace xtp

#define TEST(name)                                                        \
  static void Test##name();                                               \
  static const ::xtp::test::Registration registration_##name(#name,       \
                                                             Test##name); \
  static void Test##name()

#define CHECK(condition)                                 \
  do {                                                   \
    if (!(condition)) {                                  \
      ::xtp::test::Fail(__FILE__, __LINE__, #condition); \
    }                                                    \
  } while (0)

// Ends the function as well.
#define REQUIRE(condition)                               \
  do {                                                   \
    if (!(condition)) {                                  \
      ::xtp::test::Fail(__FILE__, __LINE__, #condition); \
      return;                                            \
    }                                                    \
  } while (0)

#define CHECK_EQ(a, b) \
  ::xtp::test::CheckEqual((a), (b), __FILE__, __LINE__, #a " == " #b)

#endif  // XTP_COMMON_TESTING_TEST_H_
