#include "common/slab.h"

#include <cstring>

#include "common/intrusive_list.h"
#include "common/testing/test.h"

namespace xtp {
namespace {

TEST(LivesAsLongAsItsReferences) {
  SlabPool pool(1024, 4);
  {
    SlabRef first = pool.Take();
    SlabRef second = first;
    CHECK_EQ(first->references, uint32_t{2});
    SlabRef third = std::move(first);
    CHECK(!first);
    CHECK_EQ(third->references, uint32_t{2});
    third = SlabRef();
    CHECK_EQ(second->references, uint32_t{1});
    CHECK_EQ(pool.live(), size_t{1});
    memset(second->data(), 1, 1024);
  }
  CHECK_EQ(pool.live(), size_t{0});
}

TEST(SelfAssignmentIsHarmless) {
  SlabPool pool(64, 1);
  SlabRef slab = pool.Take();
  SlabRef& same = slab;
  slab = same;
  CHECK(static_cast<bool>(slab));
  CHECK_EQ(slab->references, uint32_t{1});
}

TEST(StartsEmptyAgain) {
  SlabPool pool(64, 1);
  {
    SlabRef slab = pool.Take();
    slab->filled = 64;
    CHECK_EQ(pool.room(slab), size_t{0});
  }
  SlabRef slab = pool.Take();
  CHECK_EQ(slab->filled, uint32_t{0});
  CHECK_EQ(pool.room(slab), size_t{64});
}

TEST(QueueKeepsOrderWhileItWrapsAndGrows) {
  SlabPool pool(16, 8);
  SliceQueue queue;
  test::Random random(4);
  uint64_t in = 0, out = 0;
  for (int i = 0; i < 10000; i++) {
    // Grows for a while, shrinks for a while.
    const bool push = random.Below(10) < ((i / 500) % 2 == 0 ? 7u : 3u);
    if (push) {
      SlabRef slab = pool.Take();
      const uint8_t* data = slab->data();
      queue.push_back(Slice{std::move(slab), data, in++});
    } else if (!queue.empty()) {
      CHECK_EQ(queue.front().length, out++);
      queue.pop_front();
    }
    CHECK_EQ(queue.size(), in - out);
    CHECK_EQ(pool.live(), in - out);
    if (!queue.empty()) CHECK_EQ(queue.back().length, in - 1);
    if (queue.size() > 2) CHECK_EQ(queue.at(2).length, out + 2);
  }
  queue.clear();
  CHECK_EQ(pool.live(), size_t{0});
}

struct Element {
  explicit Element(int v) : value(v) {}
  int value;
  IntrusiveList<Element>::Node node{this};
};

TEST(IntrusiveListIsAQueue) {
  IntrusiveList<Element> list;
  CHECK(list.PopFront() == nullptr);
  Element a(1), b(2), c(3);
  list.PushBack(&a.node);
  list.PushBack(&b.node);
  list.PushBack(&c.node);
  list.PushBack(&a.node);  // is in already
  b.node.Unlink();
  b.node.Unlink();
  CHECK_EQ(list.PopFront()->value, 1);
  list.PushBack(&a.node);
  CHECK_EQ(list.PopFront()->value, 3);
  CHECK_EQ(list.PopFront()->value, 1);
  CHECK(list.empty());
}

TEST(IntrusiveListLosesTheDead) {
  IntrusiveList<Element> list;
  Element survivor(1);
  {
    Element dead(2);
    list.PushBack(&dead.node);
    list.PushBack(&survivor.node);
  }
  CHECK_EQ(list.PopFront()->value, 1);
  CHECK(list.empty());
  {
    IntrusiveList<Element> shorter;
    shorter.PushBack(&survivor.node);
  }
  CHECK(!survivor.node.linked());
}

}  // namespace
}  // namespace xtp
