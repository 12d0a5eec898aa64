/* Preloaded into accord: the clock that Kerberos asks goes an hour fast. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  static int (*real)(struct timeval *, void *);
  if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(at, zone);
  if (at) at->tv_sec += 3600;
  return result;
}

time_t time(time_t *out) {
  struct timeval at;
  gettimeofday(&at, 0);
  if (out) *out = at.tv_sec;
  return at.tv_sec;
}
