// For LD_PRELOAD: a process whose calendar is off by the seconds that a file of the folder $CLOCKS holds, in a native
// 64-bit number, at any time; the file has the machine's host name. Monotonic time is left alone. Waits until a time of
// day end by the calendar shown here, as the kernel's do when its own is set: Abseil's, and with them gRPC's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* ahead;
static long (*real_syscall)(long, ...);
static const int64_t second = 1000000000, slice = 50000000;

__attribute__((constructor)) static void begin(void) {
  char host[HOST_NAME_MAX + 1], path[PATH_MAX];
  real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  gethostname(host, sizeof(host));
  snprintf(path, sizeof(path), "%s/%s", getenv("CLOCKS"), host);
  // What starts the program comes first, as another user.
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && ftruncate(fd, sizeof(*ahead)) != 0) _exit(1);
  }
  void* map = mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) {
    perror(path);
    _exit(1);
  }
  ahead = map;
}

static int64_t seconds(void) { return ahead == NULL ? 0 : *ahead; }

static int from_kernel(clockid_t clock, struct timespec* now) {
  return real_syscall == NULL ? (int)syscall(SYS_clock_gettime, clock, now)
                              : (int)real_syscall(SYS_clock_gettime, clock, now);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  const int result = from_kernel(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += seconds();
  return result;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  (void)zone;
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}

static int64_t nanoseconds(const struct timespec* time) { return time->tv_sec * second + time->tv_nsec; }

// Until the deadline by our calendar, which may change meanwhile: in slices.
static long wait_by_calendar(long word, long operation, long value, const struct timespec* deadline, long bits) {
  for (;;) {
    struct timespec now, until;
    from_kernel(CLOCK_REALTIME, &now);
    const int64_t left = nanoseconds(deadline) - (nanoseconds(&now) + seconds() * second);
    const int64_t end = nanoseconds(&now) + (left < 0 ? 0 : left < slice ? left : slice);
    until.tv_sec = end / second;
    until.tv_nsec = end % second;
    const long result = real_syscall(SYS_futex, word, operation, value, &until, NULL, bits);
    if (result == 0 || errno != ETIMEDOUT || left <= slice) return result;
  }
}

long syscall(long number, ...) {
  long a[6];
  va_list given;
  va_start(given, number);
  for (int i = 0; i < 6; ++i) a[i] = va_arg(given, long);
  va_end(given);
  if (real_syscall == NULL) real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  const int wait = FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME;
  if (number == SYS_futex && (a[1] & wait) == wait && a[3] != 0) {
    return wait_by_calendar(a[0], a[1], a[2], (const struct timespec*)a[3], a[5]);
  }
  return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
