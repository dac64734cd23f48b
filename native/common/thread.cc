#include "common/thread.h"

#include <signal.h>

namespace xtp {

int StartThread(pthread_t* thread, const pthread_attr_t* attributes,
                void* (*run)(void*), void* argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(thread, attributes, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

}  // namespace xtp
