// Threads beside that of JavaScript.
#ifndef XTP_COMMON_THREAD_H_
#define XTP_COMMON_THREAD_H_

#include <pthread.h>

namespace xtp {

// As pthread_create, without any signal: signals are for JavaScript's thread.
int StartThread(pthread_t* thread, const pthread_attr_t* attributes,
                void* (*run)(void*), void* argument);

}  // namespace xtp

#endif  // XTP_COMMON_THREAD_H_
