/* Preloaded into Samba: its LDAP ports are fixed, and it decides "is this TLS?" by the
 * local port. PORTSHIM="389:40001 636:40002 3268:0 3269:0" moves bind() to other ports
 * of 127.0.0.1 (0: any free one) and makes getsockname() name the old ones. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The port that `port` stands for, forward or back; -1 where it is none of ours. */
static int moved(int port, int back) {
  const char *at = getenv("PORTSHIM");
  int from, to, length;
  while (at && sscanf(at, " %d:%d%n", &from, &to, &length) == 2) {
    if (back ? (to != 0 && to == port) : from == port) return back ? from : to;
    at += length;
  }
  return -1;
}

int bind(int fd, const struct sockaddr *address, socklen_t size) {
  static int (*real)(int, const struct sockaddr *, socklen_t);
  if (!real) real = dlsym(RTLD_NEXT, "bind");
  if (address->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
    struct sockaddr_in copy;
    memcpy(&copy, address, sizeof copy);
    int port = moved(ntohs(copy.sin_port), 0);
    if (port >= 0) {
      copy.sin_port = htons(port);
      copy.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      return real(fd, (struct sockaddr *)&copy, sizeof copy);
    }
  }
  return real(fd, address, size);
}

int getsockname(int fd, struct sockaddr *address, socklen_t *size) {
  static int (*real)(int, struct sockaddr *, socklen_t *);
  if (!real) real = dlsym(RTLD_NEXT, "getsockname");
  int result = real(fd, address, size);
  if (result == 0 && address && address->sa_family == AF_INET && *size >= sizeof(struct sockaddr_in)) {
    struct sockaddr_in *own = (struct sockaddr_in *)address;
    int port = moved(ntohs(own->sin_port), 1);
    if (port >= 0) own->sin_port = htons(port);
  }
  return result;
}
