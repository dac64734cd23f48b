// Part of each test that starts no thread: where that is no longer true, it is
// one for ThreadSanitizer (CMakeLists.txt, xtp_add_test).
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                   void* (*run)(void*), void* argument) {
  (void)thread, (void)attributes, (void)run, (void)argument;
  fputs("a thread in a test that has none: see xtp_add_one_thread_test\n",
        stderr);
  abort();
}
