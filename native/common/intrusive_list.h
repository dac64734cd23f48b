// A doubly linked list whose links live in the elements: no allocation, and
// an element can leave from anywhere, also while the list is being served.
#ifndef XTP_COMMON_INTRUSIVE_LIST_H_
#define XTP_COMMON_INTRUSIVE_LIST_H_

namespace xtp {

template <typename T>
class IntrusiveList {
 public:
  // A member of T. Leaves its list when destroyed.
  class Node {
   public:
    explicit Node(T* owner) : owner_(owner) {}
    ~Node() { Unlink(); }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    bool linked() const { return next_ != nullptr; }
    void Unlink() {
      if (!linked()) return;
      previous_->next_ = next_;
      next_->previous_ = previous_;
      next_ = previous_ = nullptr;
    }

   private:
    friend class IntrusiveList;
    T* const owner_;
    Node* next_ = nullptr;
    Node* previous_ = nullptr;
  };

  IntrusiveList() : head_(nullptr) { head_.next_ = head_.previous_ = &head_; }
  ~IntrusiveList() {
    while (!empty()) head_.next_->Unlink();
    head_.next_ = head_.previous_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }

  // Does nothing if the node is in a list already.
  void PushBack(Node* node) {
    if (node->linked()) return;
    node->previous_ = head_.previous_;
    node->next_ = &head_;
    node->previous_->next_ = node;
    head_.previous_ = node;
  }

  // Null if empty.
  T* Front() const { return empty() ? nullptr : head_.next_->owner_; }

  T* PopFront() {
    if (empty()) return nullptr;
    Node* node = head_.next_;
    node->Unlink();
    return node->owner_;
  }

 private:
  Node head_;
};

}  // namespace xtp

#endif  // XTP_COMMON_INTRUSIVE_LIST_H_
